"""The curves of a training: collected step by step, and as a table that DVC plots."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.basics.atomic import write_atomically

HISTORY_ROWS = 100
"""Into how many rows the curves of a training are averaged, at most."""

Row = dict[str, float]


class History:
    """Means of the losses over equal stretches of a training.

    Args:
        steps: how many there will be.

    Attributes:
        rows: `step` (the last one averaged in), `learning_rate`, `total` and each loss.
    """

    def __init__(self, steps: int) -> None:
        self.rows: list[Row] = []
        self._steps = steps
        self._every = math.ceil(steps / HISTORY_ROWS)
        self._sums: dict[str, float] = {}

    @property
    def newest(self) -> Row:
        """The last row; empty before the first is full."""
        return self.rows[-1] if self.rows else {}

    def add(self, step: int, learning_rate: float, values: Mapping[str, float]) -> None:
        """Take the values of a step in."""
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in values.items()}
        if step % self._every == 0 or step == self._steps:
            averaged = step - (self.rows[-1]["step"] if self.rows else 0)
            means = {name: value / averaged for name, value in self._sums.items()}
            self.rows.append({"step": step, "learning_rate": learning_rate, **means})
            self._sums = {}

    def take(self) -> dict[str, Any]:
        """Return what `put_back` needs."""
        return {"rows": self.rows, "sums": self._sums}

    def put_back(self, state: Mapping[str, Any]) -> None:
        """Make everything as it was when `take` returned this state."""
        self.rows, self._sums = state["rows"], state["sums"]


def write_history(path: Path, history: list[Row]) -> None:
    """Write rows as tab-separated values, `step` as a whole number, the rest with six digits."""
    columns = list(history[0])
    lines = ["\t".join(columns)]
    for row in history:
        lines.append("\t".join(f"{row[c]:.0f}" if c == "step" else f"{row[c]:.6g}" for c in columns))
    write_atomically(path, "\n".join(lines) + "\n")
