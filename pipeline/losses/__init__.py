"""Losses, one a file: pure functions from tensors to a dict of scalars, and the modules that hold their state."""
