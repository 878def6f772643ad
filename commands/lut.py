"""`person-search lut`: show what a look-up table of ID features holds, and whether it fits the data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from commands.errors import FailedCheckError
from commands.lazy import LazyCommand, LazyGroup
from commands.tables import table_text
from pipeline.basics.errors import UserError
from pipeline.box_table import BoxTable, read_box_table, table_level, table_projection
from pipeline.box_table import check_fits as check_boxes_fit
from pipeline.lookup_table import Level, LookupTable, Matrix, check_fits, read_lookup_table
from pipeline.reporting.table_summary import TableSummary, summarise
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.prepared import MANIFEST, PreparedDataSet, open_prepared
from stages.support.paths import PREPARED

PAIRS_SHOWN = 5


SHOW = "show"
COMMANDS = {"check": LazyCommand("commands.lut_check:check", "Say what a table's teacher reaches.")}


class FileGroup(LazyGroup):
    """A `LazyGroup` in which a file instead of a command is shown: `lut FILE` is `lut show FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command before what is neither a command nor a question for help."""
        if args and args[0] not in (*self.list_commands(ctx), *ctx.help_option_names):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


@click.group(cls=FileGroup, lazy=COMMANDS)
def lut() -> None:
    """Show a look-up table, or check its teacher. `lut FILE` is `lut show FILE`."""


@lut.command(SHOW)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help=f"Prepared data set to compare with.  [default: {PREPARED}, where it is there]",
)
def show(file: Path, data: Path | None) -> None:
    """Show what the table in FILE holds.

    Exit code 1 if it does not fit the prepared data set.
    A person is shown by the number of its row and, where the table fits the data, by its name there.
    """
    level = table_level(file)
    table = read_lookup_table(file) if level != "box" else None
    boxes = read_box_table(file) if level != "identity" else None
    if table is not None and not len(table.person_ids):
        raise UserError(f"{file}: the table has no rows; make it again with `dvc repro export_lut`")
    prepared = _prepared(data)
    problem = _misfit(table, boxes, file, prepared) if prepared else None
    names = prepared.split("train").identities if prepared and not problem else ()
    click.echo(f"{file}")
    if table is not None:
        _print(table, summarise(table, PAIRS_SHOWN), names)
    if boxes is not None:
        click.echo(table_text(_about_boxes(boxes, file, level).items(), indent=2))
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


def _misfit(
    table: LookupTable | None, boxes: BoxTable | None, file: Path, prepared: PreparedDataSet
) -> str | None:
    """Return how the table does not fit the data, or None; no student's dimensions are compared."""
    try:
        if table is not None:
            identities = prepared.manifest["splits"]["train"]["counts"]["identities"]
            dim = table.features.shape[1]
            check_fits(table, file, prepared.name, prepared.sha256, identities, dim)
        if boxes is not None:
            offsets = box_offsets(prepared.split("train").scenes)
            dim = boxes.features.shape[1]
            check_boxes_fit(boxes, file, prepared.name, prepared.sha256, offsets, dim)
    except UserError as error:
        return str(error)
    return None


def _about_boxes(boxes: BoxTable, file: Path, level: Level) -> Mapping[str, str]:
    """Return what is shown of the rows by box; the origin only where no identity rows stand above."""
    views = 1 if boxes.views is None else len(boxes.views)
    count, dim = len(boxes.features) // views, boxes.features.shape[1]
    lines = {"boxes": f"{count:,} (one unit row each), of {len(boxes.offsets) - 1:,} scenes"}
    if views > 1:
        lines["views"] = f"{views} of each scene, a row each: the picture, and {views - 1} in other colours"
    if level == "box":
        lines |= {
            "dimensions": _dimensions(dim, table_projection(file)),
            "data set": f"{boxes.origin.dataset} ({boxes.origin.dataset_sha256[:12]})",
            "teacher": f"{boxes.origin.teacher_sha256[:12]}",
        }
    return lines


def _dimensions(dim: int, projection: Matrix | None) -> str:
    """Return the text of a table's number of dimensions, and of its teacher's where these were more."""
    return f"{dim}" if projection is None else f"{dim}, by PCA of the teacher's {len(projection)}"


def _print(table: LookupTable, summary: TableSummary, names: Sequence[str]) -> None:
    lines = {
        "identities": f"{summary.identities:,} (one unit row each)",
        "dimensions": _dimensions(summary.dim, table.projection),
        "boxes an identity": f"{summary.fewest} to {summary.most}, median {summary.median:g}",
        "data set": f"{table.dataset} ({table.dataset_sha256[:12]})",
        "teacher": f"{table.teacher_sha256[:12]}",
    }
    if summary.identities > 1:
        lines["similarity of rows"] = f"{summary.mean_similarity:.3f} on average"
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
