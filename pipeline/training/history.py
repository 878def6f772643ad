"""The curves of a training, as a table that DVC plots."""

from pathlib import Path

from pipeline.atomic import write_atomically
from pipeline.training.loop import Row


def write_history(path: Path, history: list[Row]) -> None:
    """Write rows as tab-separated values, `step` as a whole number, the rest with six digits."""
    columns = list(history[0])
    lines = ["\t".join(columns)]
    for row in history:
        lines.append("\t".join(f"{row[c]:.0f}" if c == "step" else f"{row[c]:.6g}" for c in columns))
    write_atomically(path, "\n".join(lines) + "\n")
