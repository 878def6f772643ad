"""`person-search results`: the table of results."""

import os
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.places import require_project
from pipeline.reporting.comparison.age import ablation_age
from pipeline.reporting.speed import read_milliseconds
from pipeline.reporting.summary import gaps, read_summary
from pipeline.reporting.table import columns, markdown_table, parts, table_lines

ABLATION = Path("ablation/results/comparison.json")


@click.command()
@click.option(
    "--summary",
    "path",
    type=click.Path(path_type=Path),
    default=Path("results/summary.json"),
    show_default=True,
    help="The summary that the report stage wrote.",
)
@click.option(
    "--speed",
    type=click.Path(path_type=Path),
    default=Path("results/speed.json"),
    show_default=True,
    help="The timings that `make bench` wrote; without them no milliseconds are shown.",
)
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def results(path: Path, speed: Path, markdown: bool) -> None:
    """Show what the teachers and each student reached on the test scenes.

    Metrics are in percent. The cost is the parameters in millions, and for one image the floating-point
    operations in billions and the median milliseconds on the machine that `make bench` ran on. Differences
    between students are taken before rounding, so they may be 0.1 off those of the rounded values shown.
    """
    if not os.path.lexists(path):
        require_project(", or give --summary the summary.json of a project")
    summary = read_summary(path)
    milliseconds, machine = read_milliseconds(speed, summary)
    if markdown:
        click.echo(markdown_table(summary, milliseconds), nl=False)
        return
    console = Console()
    lines = table_lines(summary, milliseconds)
    for part, names in parts().items():
        console.print(_table(part, names, lines))
    if machine:
        console.print(f"ms: median of an image, {machine}", highlight=False, soft_wrap=True)
    for sentence in gaps(summary):
        console.print(sentence, highlight=False, soft_wrap=True)
    age = ablation_age(ABLATION)
    if age is not None:
        console.print(age, highlight=False, soft_wrap=True)


def _table(part: str, names: list[str], lines: dict[str, dict[str, str]]) -> Table:
    """Return one part of the table, its first column as wide as in the other parts."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column(part, vertical="bottom", min_width=max(map(len, [*parts(), *lines])))
    shown = columns()
    for name in names:
        table.add_column(shown[name].title.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for title, cells in lines.items():
        table.add_row(title, *(cells[name] for name in names))
    table.add_row("")
    return table
