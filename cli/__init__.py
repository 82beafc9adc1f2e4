"""The `autocomplete` command."""
