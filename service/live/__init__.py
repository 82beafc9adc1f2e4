"""The live state above the bundles: changes that hold at once, on every replica, and outlive all processes."""
