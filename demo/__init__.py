"""The quick start: sample data, its training configuration and the guided tour."""
