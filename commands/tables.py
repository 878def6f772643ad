"""Tables as text: aligned columns without lines around them, the same on a terminal and in a file."""

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table

WIDEST = 100_000
"""Columns of letters: no table is cut. A terminal that is narrower continues a line on the next."""


def table_text(
    lines: Iterable[Sequence[str]],
    head: Sequence[str] = (),
    *,
    right: Collection[int] = (),
    indent: int = 0,
) -> str:
    """Return a table as text, without a line break at the end.

    Args:
        lines: `[C]` cells each; they are shown as they are.
        head: `[C]` names of the columns; none for a table without.
        right: which columns, counted from 0, are numbers: they are aligned to the right.
        indent: spaces before each line.
    """
    lines = list(lines)
    table = Table(box=None, show_header=bool(head), pad_edge=False, padding=(0, 2, 0, 0), header_style=None)
    for place in range(len(head or lines[0])):
        name = head[place] if head else ""
        table.add_column(name, justify="right" if place in right else "left", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    console = Console(width=WIDEST, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(" " * indent + shown.rstrip() for shown in captured.get().splitlines())
