"""`person-search find`: look for a person in one's own pictures with a trained student."""

import math
from pathlib import Path

import click
import numpy as np

from commands.lazy import imported
from commands.places import GivenPath, check_can_make, check_weights
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.folders import pictures_in
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.scenes.scene import FloatArray

FIGURE = "found.png"
CORNERS = 4


@click.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    required=True,
    help="A student: models/students/NAME.safetensors.",
)
@click.option(
    "--query", type=click.Path(path_type=Path), required=True, help="Picture that shows the person."
)
@click.option("--box", "box_text", required=True, help="The person there: x1,y1,x2,y2 in pixels.")
@click.argument("gallery", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Hits to show.")
@click.option(
    "--score-threshold",
    type=click.FloatRange(0.0, 1.0),
    default=0.5,
    show_default=True,
    help="Leave out detections that are less sure than this.",
)
@click.option(
    "--out",
    type=GivenPath(path_type=Path, readable=False),
    help=f"Folder for a picture of the hits, {FIGURE}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def find(
    weights: Path,
    query: Path,
    box_text: str,
    gallery: tuple[Path, ...],
    top: int,
    score_threshold: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Look for one person in the pictures and folders of GALLERY and list who is most similar.

    Boxes are in pixels of the upright picture. The query's own picture is not looked in. In folders, every
    file that holds a picture is looked in, whatever its name.
    """
    if math.isnan(score_threshold):
        raise UserError("--score-threshold nan: give a number from 0 to 1")
    check_weights(weights)
    box, size = _parsed(box_text), read_picture(query).size
    if out is not None:
        check_can_make(out, FIGURE, "--out")
    pictures = pictures_in(gallery, query, _say)
    imported("commands.finding:look")(
        weights,
        query,
        box,
        size,
        pictures,
        top=top,
        score_threshold=score_threshold,
        out=out,
        as_json=as_json,
    )


def _say(line: str) -> None:
    click.echo(line, err=True)


def _parsed(text: str) -> FloatArray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != CORNERS:
        raise UserError(f"--box {text}: give four numbers, x1,y1,x2,y2 in pixels")
    return np.array(values)
