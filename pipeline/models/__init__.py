"""Backbones, the detector, the re-identification model and the person-search network."""
