"""Scenes, data sets, search protocols as data, shards, crops and transforms."""
