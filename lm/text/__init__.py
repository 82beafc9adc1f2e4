"""What text is equal or private, and how it is normalised."""
