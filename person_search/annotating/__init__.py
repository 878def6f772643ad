"""Annotating pictures and videos with a detector: frames, boxes, and what is kept of a stopped run."""
