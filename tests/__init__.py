"""The tests."""

from pipeline.basics.busy_machine import choose_waiting

choose_waiting()  # before PyTorch is imported
