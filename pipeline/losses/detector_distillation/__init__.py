"""What a teacher detector tells a student, one loss a file; `levels.py` puts them together."""
