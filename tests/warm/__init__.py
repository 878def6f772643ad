"""Programs of other processes that start at once: what takes seconds to import is there already."""
