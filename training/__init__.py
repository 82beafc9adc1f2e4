"""The offline pipeline: text and query logs in, a bundle out."""
