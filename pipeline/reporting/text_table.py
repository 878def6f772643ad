"""A table of plain texts, as the page shows it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple


class TextTable(NamedTuple):
    """A table of plain texts.

    Attributes:
        title: stands above the table.
        head: the columns' titles.
        lines: the cells of each line.
        clear: for each line, the places (0, 1, ...) of the cells to print in bold.
    """

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    clear: Sequence[Collection[int]]
