"""A table of plain texts, as the page shows it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple


class TextTable(NamedTuple):
    """A title, the titles of the columns, and of each row the cells.

    In `clear` stands for each row which of its cells, by their place, are to stand out.
    """

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    clear: Sequence[Collection[int]]
