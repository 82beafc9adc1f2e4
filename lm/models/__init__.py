"""Language models: vocabulary, n-grams, networks, their mixture."""
