"""From files and logs to tokens and an index."""
