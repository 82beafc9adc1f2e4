"""Language models and query index: what training writes and serving reads."""
