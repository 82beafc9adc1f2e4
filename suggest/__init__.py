"""How suggestions come about: decoding, ranking, scoring and generation over an open bundle."""
