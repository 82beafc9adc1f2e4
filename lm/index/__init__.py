"""What a bundle knows of queries: the index, the lexicon, what is never suggested."""
