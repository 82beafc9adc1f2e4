"""Measurements of quality and speed; `RESULTS.md` holds the figures."""
