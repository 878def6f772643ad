"""`person-search results`: the table of results."""

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pipeline.reporting.summary import COLUMNS, gaps, markdown_table, read_summary, table_rows


@click.command()
@click.option(
    "--summary",
    "path",
    type=click.Path(path_type=Path),
    default=Path("results/summary.json"),
    show_default=True,
    help="What the report stage wrote.",
)
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def results(path: Path, markdown: bool) -> None:
    """Show what the teachers and each student reached on the test scenes, in percent."""
    summary = read_summary(path)
    if markdown:
        click.echo(markdown_table(summary), nl=False)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("%", vertical="bottom")
    for title in COLUMNS.values():
        table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
    for name, cells in table_rows(summary).items():
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    for sentence in gaps(summary):
        console.print(sentence, highlight=False, soft_wrap=True)
