"""A person's own picture files: which are in a folder, and what they show."""
