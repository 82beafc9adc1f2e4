"""Measures of language models and of query completion, one concept a module."""
