"""Scenes: what one is, and data sets of them packed into shards."""
