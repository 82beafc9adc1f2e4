"""Estimates n-gram models."""
