"""The leak that is easily overlooked: Market-1501 shows PRW's people, from the same cameras."""

import re
from collections.abc import Sequence

PRW = "prw"
"""What the names of PRW's data sets begin with here."""
MARKET = "market"


def leak_note(dataset: str, trained_on: Sequence[str] | None) -> str | None:
    """Return a line where a teacher has seen a data set's people before, or may have; None where not.

    Args:
        dataset: name of the data set.
        trained_on: names of the data sets that the teacher has learned from, in any spelling; None where
            nobody has said so.
    """
    if not dataset.startswith(PRW):
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
