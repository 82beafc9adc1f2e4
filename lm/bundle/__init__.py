"""Bundles on disk: manifest, registry, opening."""
