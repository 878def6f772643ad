"""`person-search lut`: show what a look-up table of ID features holds, and whether it fits the data."""

from collections.abc import Sequence
from pathlib import Path

import click

from commands.errors import FailedCheckError
from commands.tables import table_text
from pipeline.basics.errors import UserError
from pipeline.lookup_table import LookupTable, check_fits, read_lookup_table
from pipeline.reporting.table_summary import TableSummary, summarise
from pipeline.scenes.prepared import MANIFEST, PreparedDataSet, open_prepared
from stages.support.paths import PREPARED

PAIRS_SHOWN = 5


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help=f"Prepared data set to compare with.  [default: {PREPARED}, where it is there]",
)
def lut(file: Path, data: Path | None) -> None:
    """Show what the table in FILE holds; exit code 1 if it does not fit the prepared data set.

    A person is shown by the number of its row and, where the table fits the data, by its name there.
    """
    table = read_lookup_table(file)
    if not len(table.person_ids):
        raise UserError(f"{file}: the table has no rows; make it again with `dvc repro export_lut`")
    prepared = _prepared(data)
    problem = _misfit(table, file, prepared) if prepared else None
    names = prepared.split("train").identities if prepared and not problem else ()
    _print(file, table, summarise(table, PAIRS_SHOWN), names)
    if problem:
        raise FailedCheckError(problem)
    if prepared:
        click.echo(f"It fits {prepared.root} (data set '{prepared.name}', {prepared.sha256[:12]}).")
    else:
        click.echo(f"Compared with no data: there is no {PREPARED} here; see --data.")


def _prepared(data: Path | None) -> PreparedDataSet | None:
    if data is None and not (PREPARED / MANIFEST).is_file():
        return None
    return open_prepared(data or PREPARED)


def _misfit(table: LookupTable, file: Path, prepared: PreparedDataSet) -> str | None:
    """Return how the table does not fit the data, or None; no student's dimensions are compared."""
    identities = prepared.manifest["splits"]["train"]["counts"]["identities"]
    dim = table.features.shape[1]
    try:
        check_fits(table, file, prepared.name, prepared.sha256, identities, dim)
    except UserError as error:
        return str(error)
    return None


def _print(file: Path, table: LookupTable, summary: TableSummary, names: Sequence[str]) -> None:
    lines = {
        "identities": f"{summary.identities:,} (one unit row each)",
        "dimensions": f"{summary.dim}",
        "boxes an identity": f"{summary.fewest} to {summary.most}, median {summary.median:g}",
        "data set": f"{table.dataset} ({table.dataset_sha256[:12]})",
        "teacher": f"{table.teacher_sha256[:12]}",
    }
    if summary.identities > 1:
        lines["similarity of rows"] = f"{summary.mean_similarity:.3f} on average"
    click.echo(f"{file}")
    click.echo(table_text(lines.items(), indent=2))
    if summary.closest:
        click.echo("  most similar pairs")
        pairs = [
            (f"{pair.similarity:.3f}", f"{_called(pair.first, names)} and {_called(pair.second, names)}")
            for pair in summary.closest
        ]
        click.echo(table_text(pairs, indent=4))


def _called(person: int, names: Sequence[str]) -> str:
    return f"{person} ({names[person]})" if names else f"{person}"
