"""The identity losses, one target a file; `targets.py` has them by name."""
