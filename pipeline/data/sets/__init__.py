"""The data sets: a file for each, or more, and `sources.py` with their names."""
