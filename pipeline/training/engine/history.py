"""The curves of a training: collected step by step, and as a table that DVC plots."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.tsv_files import write_tsv

MOST_POINTS = 100
"""The points of a training's curves, at most: each is a mean over equal stretches of steps."""

Point = dict[str, float]


class History:
    """Means of the losses over equal stretches of a training.

    Args:
        steps: how many there will be.

    Attributes:
        points: `step` (the last step of the stretch), `learning_rate`, `total` and each loss.
    """

    def __init__(self, steps: int) -> None:
        self.points: list[Point] = []
        self._steps = steps
        self._every = math.ceil(steps / MOST_POINTS)
        self._sums: dict[str, float] = {}

    @property
    def newest(self) -> Point:
        """The last point; empty before the first stretch is done."""
        return self.points[-1] if self.points else {}

    def add(self, step: int, learning_rate: float, values: Mapping[str, float]) -> None:
        """Take the values of a step in."""
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in values.items()}
        if step % self._every == 0 or step == self._steps:
            averaged = step - (self.points[-1]["step"] if self.points else 0)
            means = {name: value / averaged for name, value in self._sums.items()}
            self.points.append({"step": step, "learning_rate": learning_rate, **means})
            self._sums = {}

    def take(self) -> dict[str, Any]:
        """Return what `put_back` needs."""
        return {"points": self.points, "sums": self._sums}

    def put_back(self, state: Mapping[str, Any]) -> None:
        """Make everything as it was when `take` returned this state."""
        self.points, self._sums = state["points"], state["sums"]


def write_history(path: Path, history: list[Point]) -> None:
    """Write the curves of a training as tab-separated values."""
    names = list(history[0])
    write_tsv(path, names, ([line[name] for name in names] for line in history), whole=["step"])
