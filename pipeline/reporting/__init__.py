"""The table of results and the pictures."""
