"""One thin click command for each DVC stage, of the stage's name."""
