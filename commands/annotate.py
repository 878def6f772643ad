"""`person-search annotate`: a training set of one's own pictures, whose boxes a detector finds."""

import math
from pathlib import Path

import click

from commands.places import GivenPath, check_can_make
from person_search.extras import own
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file
from pipeline.inference.own_pictures.printable import printable


@click.command()
@click.argument("sources", nargs=-1, type=click.Path())  # texts: a `Path` has no `//` of an address
@click.option(
    "--detector",
    type=GivenPath(path_type=Path),
    required=True,
    help="A detector or a student (.safetensors), a network of `person-search export`, or an ONNX detector "
    "with its YAML (.onnx).",
)
@click.option(
    "--out", type=GivenPath(path_type=Path), required=True, help="Folder to write; made if it is not there."
)
@click.option(
    "--score",
    type=click.FloatRange(0.0, 1.0),
    default=0.5,
    show_default=True,
    help="Boxes that are at least as sure are people.",
)
@click.option(
    "--unsure",
    type=click.FloatRange(0.0, 1.0),
    default=0.1,
    show_default=True,
    help="Boxes below --score that are at least as sure as this are neither people nor background.",
)
@click.option(
    "--every",
    default="1s",
    show_default=True,
    help="Of videos, take a frame each so often: 0.5s, 2s, 1m, or `all`.",
)
@click.option(
    "--distinct",
    type=click.FloatRange(0.0, 255.0),
    default=0.0,
    show_default=True,
    help="Leave out a frame that differs by less from the last one kept of its folder or video: mean of grey "
    "levels, 0..255.",
)
@click.option(
    "--tiles",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Let the detector look at so many tiles side by side, too: for small people in wide pictures.",
)
@click.option("--camera", help="Name of the camera of all sources.")
@click.option(
    "--camera-from", help="Regular expression on the path, with (?P<camera>...), (?P<time>...) or both."
)
@click.option("--time-format", help="How (?P<time>...) is written, as strptime takes it: %Y%m%d_%H%M%S.")
@click.option("--timezone", default="UTC", show_default=True, help="Of times that do not say theirs.")
@click.option(
    "--workers", type=click.IntRange(min=0), help="Processes that read pictures.  [default: by the cores]"
)
def annotate(
    sources: tuple[str, ...],
    detector: Path,
    out: Path,
    score: float,
    unsure: float,
    every: str,
    distinct: float,
    tiles: int,
    camera: str | None,
    camera_from: str | None,
    time_format: str | None,
    timezone: str,
    workers: int | None,
) -> None:
    """Let a detector find the people in SOURCES, and write a data set to train on.

    SOURCES are pictures, videos, and folders of them. The data set is a folder with the frames and a COCO
    file, which `dataset: {name: pictures}` reads. A run that was stopped goes on where it was.
    """
    if not sources:
        raise UserError("name pictures, videos or folders to annotate")
    for option, value in (("--score", score), ("--unsure", unsure), ("--distinct", distinct)):
        if math.isnan(value):
            raise UserError(f"{option} nan: give a number")
    check_is_file(detector, f"no detector at {printable(detector)}")
    check_can_make(out, "annotations.json", "--out")
    own("commands.annotating", "index").annotate_in(
        sources,
        detector,
        out,
        score=score,
        unsure=unsure,
        every=every,
        distinct=distinct,
        tiles=tiles,
        camera=camera,
        camera_from=camera_from,
        time_format=time_format,
        timezone=timezone,
        workers=workers,
    )
