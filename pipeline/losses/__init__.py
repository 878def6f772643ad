"""Losses, one a file: pure functions from tensors to a dict of scalars, and modules that hold their state."""
