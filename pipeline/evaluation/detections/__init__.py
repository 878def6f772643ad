"""Detections as arrays, and as a file."""
