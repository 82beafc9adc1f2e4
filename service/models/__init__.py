"""The bundles that a server answers from."""
