"""A user's own picture files: finding them in folders and reading them."""
