"""Tests of the data sets that are read from disk."""
