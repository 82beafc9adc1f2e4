"""Fits the weights that put models together."""
