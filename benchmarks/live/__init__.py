"""What the live state promises, and what it costs: the parts of `python -m benchmarks.live`."""
