"""`person-search crops`: write re-identification crops of a data set in Market-1501's layout."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from commands.data_sets import given_data_set
from commands.places import GivenPath
from pipeline.basics.errors import UserError
from pipeline.datasets.market import GALLERY, QUERY, TRAIN
from pipeline.datasets.market_export import ExportedCrops, check_is_free, write_market
from pipeline.datasets.packing import prepare
from pipeline.datasets.sources import MIXED, SOURCES
from pipeline.scenes.prepared import open_prepared
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress

MARKETS_CAMERAS = 6
"""How many cameras Market-1501 has; readers of its layout may take one digit."""


@click.command()
@click.option("--dataset", "name", type=click.Choice([*SOURCES, MIXED]), help="A data set on disk.")
@click.option("--root", type=GivenPath(readable=False, path_type=Path), help="The folder of that data set.")
@click.option(
    "--data",
    type=GivenPath(readable=False, path_type=Path),
    help=f"A prepared data set instead.  [default: {PREPARED}]",
)
@click.option(
    "--out", type=GivenPath(readable=False, path_type=Path), required=True, help="The folder to make."
)
def crops(name: str | None, root: Path | None, data: Path | None, out: Path) -> None:
    """Cut all labelled people out and write them in Market-1501's layout, for any re-ID program.

    People of `train` go to bounding_box_train; queries of `val` and `test` to query, their other boxes to
    bounding_box_test. people.json says who the numbers are.
    """
    if name is not None and data is not None:
        raise UserError("give --dataset or --data, not both")
    if name is None and root is not None:
        raise UserError("--root goes with --dataset, which says what is there")
    check_is_free(out)
    if name is None:
        with ShownProgress("crops") as progress:
            written = write_market(open_prepared(data or PREPARED), out, progress)
    else:
        written = _of_data_set(name, root, out)
    found = written.crops
    click.echo(
        f"{out}: {written.people} people; {found[TRAIN]} crops to train, {found[QUERY]} queries, "
        f"{found[GALLERY]} in the gallery"
    )
    if written.cameras > MARKETS_CAMERAS:
        click.echo(
            f"note: {written.cameras} cameras; a reader that takes one digit for Market-1501's "
            f"{MARKETS_CAMERAS} reads camera 12 as 1",
            err=True,
        )


def _of_data_set(name: str, root: Path | None, out: Path) -> ExportedCrops:
    """Prepare a data set, with references to its pictures, in a temporary folder, and write its crops."""
    data_set = given_data_set(name, root)
    with TemporaryDirectory() as folder, ShownProgress("crops: reading the data set") as progress:
        data_set.progress = progress
        data_set.splits()
        progress.begin("crops: looking at pictures")
        prepared = prepare(data_set, Path(folder) / "prepared", progress, refer=True)
        progress.begin("crops")
        return write_market(prepared, out, progress)
