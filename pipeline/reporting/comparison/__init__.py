"""Comparing rows over seeds: what is chance, and what is not."""
