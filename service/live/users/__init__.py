"""Users: their keyed hashes, their own queries, and forgetting them."""
