"""How long work tells how far it is."""

from collections.abc import Callable, Mapping

Progress = Callable[[int, int], None]
"""Called with how much is done, and how much there is to do."""
TrainingProgress = Callable[[int, int, Mapping[str, float]], None]
"""Called after each step with the step, the number of steps and the newest point of the history."""
