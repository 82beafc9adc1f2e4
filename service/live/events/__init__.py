"""What users did: events, trends, and which version of a model serves them better."""
