"""Parts that reach outside the process: Redis and the registry of bundles."""
