"""Finished runs of a student, kept until all of its seeds are finished: none is lost to another one's end."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import read_json, write_json
from stages.support.own_folder import FOLDER_VARIABLE

NAME = "finished.json"
MADE_WITH, RESULTS = "made_with", "results"


class FinishedRun:
    """What one run has reached, in a file beside its checkpoints.

    Args:
        folder: of the run's checkpoints, which belongs to these very data, settings and code.
        made_with: all that the results depend on besides, as JSON holds it.
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]) -> None:
        self.path = folder / NAME
        self._made_with = dict(made_with)

    def read(self) -> dict[str, Any] | None:
        """Return the results; None where there are none, or they were made with something else."""
        with suppress(UserError):
            kept = read_json(self.path, absent="", again="")
            if kept.get(MADE_WITH) == self._made_with and isinstance(kept.get(RESULTS), dict):
                results: dict[str, Any] = kept[RESULTS]
                return results
        return None

    def write(self, results: Mapping[str, Any]) -> None:
        """Keep the results."""
        write_json(self.path, {MADE_WITH: self._made_with, RESULTS: dict(results)})


def forget_finished(run: str) -> None:
    """Remove what is kept of a run, whatever it was made with: its results are written.

    Args:
        run: its name, as `own_folder` was given it.
    """
    top = Path(os.environ.get(FOLDER_VARIABLE) or "checkpoints") / run
    for path in top.glob(f"*/{NAME}"):
        path.unlink()
        with suppress(OSError):  # it holds checkpoints
            path.parent.rmdir()
