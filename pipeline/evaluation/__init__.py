"""Detection and person-search metrics: pure functions from arrays to dicts."""
