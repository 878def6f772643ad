"""The leak that is easily overlooked: Market-1501 shows PRW's people, from the same cameras."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.models.weight_files import describe_weights

PRW = "prw"
"""What the names of PRW's data sets begin with here."""
MARKET = "market"


def own_trained_on(weights: Path) -> list[str] | None:
    """Return what a weight file of this project says of what its network has learned from; None for nothing.

    Raises:
        UserError: it is no such file, or damaged.
    """
    origin = describe_weights(weights).origin
    return None if origin is None else [origin.data_set]


def shares_people(dataset: str) -> bool:
    """Tell whether another data set shows the people of this one."""
    return dataset.startswith(PRW)


def leak_note(dataset: str, trained_on: Sequence[str] | None) -> str | None:
    """Return a line where a teacher has seen a data set's people before, or may have; None where not.

    Args:
        dataset: name of the data set.
        trained_on: names of the data sets that the teacher has learned from, in any spelling; None where
            nobody has said so.
    """
    if not shares_people(dataset):
        return None
    if trained_on is None:
        return (
            "nobody said what this teacher was trained on (`trained_on`); if on Market-1501, it has seen "
            f"the people and the footage of '{dataset}'"
        )
    seen = [name for name in trained_on if MARKET in re.sub(r"[^a-z]", "", name.lower())]
    if not seen:
        return None
    return (
        f"this teacher was trained on {seen[0]}, whose people and footage are those of PRW: do not score a "
        f"student of it on '{dataset}' as if it had not seen them"
    )
