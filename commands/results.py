"""`person-search results`: the table of results."""

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.reporting.speed import read_milliseconds
from pipeline.reporting.summary import gaps, read_summary
from pipeline.reporting.table import COLUMNS, PARTS, markdown_table, table_rows


@click.command()
@click.option(
    "--summary",
    "path",
    type=click.Path(path_type=Path),
    default=Path("results/summary.json"),
    show_default=True,
    help="What the report stage wrote.",
)
@click.option(
    "--speed",
    type=click.Path(path_type=Path),
    default=Path("results/speed.json"),
    show_default=True,
    help="What `make bench` wrote; without it, the milliseconds are not shown.",
)
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def results(path: Path, speed: Path, markdown: bool) -> None:
    """Show what the teachers and each student reached on the test scenes.

    In percent, but for the cost: parameters in millions, floating-point operations and median milliseconds an
    image. The milliseconds are those of the machine that `make bench` ran on.
    """
    summary = read_summary(path)
    milliseconds, machine = read_milliseconds(speed, summary)
    if markdown:
        click.echo(markdown_table(summary, milliseconds), nl=False)
        return
    console = Console()
    rows = table_rows(summary, milliseconds)
    for part, columns in PARTS.items():
        console.print(_table(part, columns, rows))
    if machine:
        console.print(f"ms: median of an image, {machine}", highlight=False, soft_wrap=True)
    for sentence in gaps(summary):
        console.print(sentence, highlight=False, soft_wrap=True)


def _table(part: str, columns: tuple[str, ...], rows: dict[str, dict[str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column(part, vertical="bottom", min_width=max(map(len, [*PARTS, *rows])))
    for column in columns:
        table.add_column(COLUMNS[column].title.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(name, *(cells[column] for column in columns))
    table.add_row("")
    return table
