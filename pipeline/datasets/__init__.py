"""Data sets: readers, checks and packing. Only `prepare` and `crop` read what is here."""
