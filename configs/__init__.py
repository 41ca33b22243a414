"""Shipped settings: profiles (TOML), Darknet cfg files and class names."""
