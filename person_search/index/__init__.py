"""The people of many pictures, kept on disk and searched."""
