"""Comparing students over seeds: which differences are larger than chance gives."""
