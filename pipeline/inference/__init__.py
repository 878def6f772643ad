"""A trained network over scenes, and what that costs."""
