"""From files that nobody has described to a first configuration that trains on them."""
