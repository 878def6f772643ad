"""`person-search detect`: who is in a picture, drawn and printed."""

import math
from pathlib import Path

import click

from commands.lazy import imported
from commands.places import GivenPath, check_can_make, check_weights
from pipeline.basics.errors import UserError


@click.command()
@click.option(
    "--weights",
    type=GivenPath(path_type=Path),
    required=True,
    help="A student (.safetensors), or a network of `person-search export` (.onnx).",
)
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--min-score",
    type=click.FloatRange(0.0, 1.0),
    default=0.5,
    show_default=True,
    help="Leave out detections that are less sure than this.",
)
@click.option(
    "--out", type=GivenPath(path_type=Path, readable=False), help="Folder for the pictures with boxes."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print COCO's JSON, with embeddings, in place of a table."
)
def detect(
    weights: Path, pictures: tuple[Path, ...], min_score: float, out: Path | None, as_json: bool
) -> None:
    """Detect and embed the people in PICTURES and print their boxes, in pixels of the upright picture.

    With --out, each picture is drawn with its people numbered, as `find --person` counts them.
    """
    if math.isnan(min_score):
        raise UserError("--min-score nan: give a number from 0 to 1")
    check_weights(weights)
    if out is not None:
        check_can_make(out, f"{pictures[0].stem}-people.jpg", "--out")
    imported("commands.detecting:detect_in")(weights, pictures, min_score=min_score, out=out, as_json=as_json)
