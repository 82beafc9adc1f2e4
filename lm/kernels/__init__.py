"""Compiled kernels: the few loops that arrays cannot express.

`strings` looks up sorted strings, `ranges` takes the heaviest of a range, `ngram` walks the successor table,
`arpa` reads ARPA files. Each releases the GIL where it works.
"""
