"""The losses against a table by box, one target a file; `targets.py` has them by name."""
