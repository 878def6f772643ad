"""`person-search check-data`: tell whether a data set on disk is complete, and which release it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from commands.data_sets import given_data_set
from commands.errors import FailedCheckError
from commands.places import GivenPath
from commands.tables import table_text
from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, Inspection
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.image_checks import check_images
from pipeline.datasets.inspection import (
    WantedGalleries,
    inspect_data_set,
    note_same_pictures,
    split_counts,
    split_galleries,
)
from pipeline.datasets.mixed import Mixed
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.sources import MIXED, SOURCES
from pipeline.datasets.with_validation import WithValidation
from pipeline.evaluation.metrics import EvaluationOptions
from stages.support.parameters import PARAMETERS, Parameters
from stages.support.running import ShownProgress

SHOWN = 20
"""How many problems are listed; the rest is counted."""


@click.command("check-data")
@click.option(
    "--dataset",
    "name",
    type=click.Choice([*SOURCES, MIXED]),
    help="Which data set it is.  [default: that of params.yaml]",
)
@click.option(
    "--root",
    type=GivenPath(readable=False, path_type=Path),  # whether it can be read is said where it is
    help="The folder that it was unpacked to.",
)
@click.option(
    "--images",
    is_flag=True,
    help="Also decode every picture (slow). Damage inside that the decoder conceals is not seen.",
)
@click.option(
    "--all-galleries",
    is_flag=True,
    help="Of CUHK-SYSU, read every TestG<N>.mat, and not only those that params.yaml's `evaluate` asks for "
    "(where it is of another data set: TestG100 and the smallest).",
)
def check_data(name: str | None, root: Path | None, images: bool, all_galleries: bool) -> None:
    """Tell what is there, what is missing, and which release it is; exit code 1 if it cannot be used.

    What the files and attributes of own annotations are called, and how they are split, is read from the
    section `dataset` of params.yaml, where it is there. A mixed data set is checked part by part.
    """
    try:
        data_set = given_data_set(name, root)
    except UserError as error:
        raise FailedCheckError(" ".join(str(error).split())) from None
    pictures, whole = 0, _undivided(data_set)
    for one in (*whole.parts, data_set) if isinstance(whole, Mixed) else (data_set,):
        pictures += _check(one, images, all_galleries)
    decoded = f"{_count(pictures, 'picture')} decoded" if images else "pictures not decoded"
    click.echo(f"Everything needed is there ({decoded}).")


def _check(data_set: DataSetOnDisk, images: bool, all_galleries: bool) -> int:
    """Print what one data set holds, and return how many pictures were looked at.

    Raises:
        FailedCheckError: it cannot be used.
    """
    whole = _undivided(data_set)
    galleries = "all" if all_galleries else _galleries_to_score(whole)
    try:
        with ShownProgress("reading annotations", only_on_terminal=True) as progress:
            inspection = inspect_data_set(data_set, galleries, progress)
    except UserError as error:
        raise FailedCheckError(" ".join(str(error).split())) from None
    findings = inspection.findings
    with ShownProgress("looking at pictures", only_on_terminal=True) as progress:
        check_images(inspection, findings, decode=images, progress=progress)
    if images:
        note_same_pictures(inspection, findings)
    called = MIXED if isinstance(whole, Mixed) else f"{data_set.name} at {data_set.root}"
    click.echo(f"{called}: {inspection.release}")
    _print_tables(inspection)
    _print_findings(findings)
    if findings.problems:
        raise FailedCheckError(
            f"{called if isinstance(whole, Mixed) else data_set.root} cannot be used as it is: "
            f"{_count(len(findings.problems), 'problem')}"
        )
    return _pictures(inspection) if inspection.images is not None else 0


def _undivided(data_set: DataSetOnDisk) -> DataSetOnDisk:
    """Return a data set as it was before validation scenes were taken from it."""
    return data_set.data_set if isinstance(data_set, WithValidation) else data_set


def _galleries_to_score(data_set: DataSetOnDisk) -> WantedGalleries:
    """Return the galleries that the project's `evaluate` scores, if its params.yaml is for this data set."""
    if not isinstance(data_set, CuhkSysu) or not PARAMETERS.exists():
        return "default"
    parameters = Parameters(("dataset", "evaluate"))
    if parameters.section("dataset").get("name") != data_set.name or not data_set.sizes():
        return "default"
    sizes = parameters.options("evaluate", EvaluationOptions).gallery_sizes
    if sizes is None:
        return "all"
    return [data_set.default_size(), *(int(size) for size in sizes if size.isdecimal())]


def _pictures(inspection: Inspection) -> int:
    """Return how many pictures the splits have; one that several splits share counts once."""
    return len({scene.name for split in inspection.splits.values() for scene in split.scenes})


def _print_tables(inspection: Inspection) -> None:
    splits = inspection.splits.values()
    if not splits:  # the annotations could not be read
        return
    _print_table([split_counts(split) for split in splits])
    galleries = [gallery for split in splits for gallery in split_galleries(split)]
    if galleries:
        _print_table(galleries)


def _print_table(lines: Sequence[dict[str, str]]) -> None:
    """Print lines under their keys: the first column to the left, numbers to the right."""
    head = list(lines[0])
    click.echo()
    click.echo(table_text([list(line.values()) for line in lines], head, right=range(1, len(head))))


def _print_findings(findings: Findings) -> None:
    _print_list("Worth knowing:", findings.notes)
    _print_list(f"{_count(len(findings.problems), 'problem')}:", findings.problems)
    click.echo()


def _print_list(title: str, lines: Iterable[str]) -> None:
    lines = list(lines)
    if not lines:
        return
    click.echo(f"\n{title}")
    for line in lines[:SHOWN]:
        click.echo(f"  - {' '.join(line.split())}")
    if len(lines) > SHOWN:
        click.echo(f"  ... and {len(lines) - SHOWN:,} more")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
