"""What text is equal, private or blocked, and how it is normalised."""
