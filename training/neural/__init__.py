"""Training of the recurrent neural model, and its export for serving."""
