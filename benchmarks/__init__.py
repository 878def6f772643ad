"""Measurements of speed and memory, each run as `python -m benchmarks.NAME`."""

from pipeline.basics.busy_machine import choose_waiting

choose_waiting()  # before PyTorch is imported
