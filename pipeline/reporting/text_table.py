"""A table of plain texts, as the page shows it."""

from collections.abc import Sequence
from typing import NamedTuple


class TextTable(NamedTuple):
    """A title, the titles of the columns, and of each row the cells.

    In `clear` stands for each row whether its last cell is to stand out.
    """

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    clear: Sequence[bool]
