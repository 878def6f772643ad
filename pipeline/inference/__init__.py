"""Running trained networks over scenes, crops and a user's own pictures; what a run costs."""
