"""Backbones by name, and how their features are normalised."""
