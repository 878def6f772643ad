"""`person-search find`: look for a person in one's own pictures, or in an index of them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from commands.lazy import imported
from commands.places import GivenPath, check_can_make, check_weights
from person_search.extras import own
from person_search.finding import checked_box
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.folders import pictures_in
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.scenes.boxes import box_text
from pipeline.scenes.scene import FloatArray

if TYPE_CHECKING:
    from commands.querying import Query

FIGURE, PAGE = "found.png", "index.html"
MADE_BY = "person-search find"
"""Stands near the beginning of both, so that no file of somebody else is written over."""
BEGINNING = 1000
"""Bytes of a file in which it stands."""
CORNERS = 4


@click.command()
@click.option(
    "--weights",
    type=GivenPath(path_type=Path),
    help="A student (.safetensors), or a network of `person-search export` (.onnx). With --index it may be "
    "left out: the index knows where its network was.",
)
@click.option("--index", type=GivenPath(path_type=Path), help="Look in an index, in place of GALLERY.")
@click.option(
    "--query",
    "queries",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    help="Picture that shows the person. Several of one person: their mean is looked for.",
)
@click.option(
    "--box", "boxes", multiple=True, help="The person in a query: x1,y1,x2,y2 in pixels. One a query."
)
@click.option(
    "--person",
    "people",
    type=click.IntRange(min=1),
    multiple=True,
    help="The person's number, as `find` without --box lists them. One a query.",
)
@click.argument("gallery", nargs=-1, type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), help="Hits to show.  [default: 10; with --index 20]")
@click.option(
    "--min-score",
    "--score-threshold",
    "min_score",
    type=click.FloatRange(0.0, 1.0),
    default=0.5,
    show_default=True,
    help="Leave out detections that are less sure than this.",
)
@click.option("--camera", "cameras", multiple=True, help="Only people of this camera of the index.")
@click.option("--after", type=click.DateTime(), help="Only people seen at or after this time, in UTC.")
@click.option("--before", type=click.DateTime(), help="Only people seen before this time, in UTC.")
@click.option("--faiss", is_flag=True, help="Rank the index with FAISS, in 16 bits a number.")
@click.option(
    "--out",
    type=GivenPath(path_type=Path, readable=False),
    help=f"Folder for a page of the hits, {PAGE}, and a picture of them, {FIGURE}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
def find(  # the options are one command's
    weights: Path | None,
    index: Path | None,
    queries: tuple[Path, ...],
    boxes: tuple[str, ...],
    people: tuple[int, ...],
    gallery: tuple[Path, ...],
    top: int | None,
    min_score: float,
    cameras: tuple[str, ...],
    after: datetime | None,
    before: datetime | None,
    faiss: bool,
    out: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Look for one person in the pictures and folders of GALLERY, or in an index; list who is most similar.

    Without --box and --person, the people in the query pictures are listed, numbered, to choose from.

    Boxes are in pixels of the upright picture. A query's own picture is not looked in. In folders, every file
    that holds a picture is looked in, whatever its name.
    """
    if math.isnan(min_score):
        raise UserError("--score-threshold nan: give a number from 0 to 1")
    if as_json and as_csv:
        raise UserError("--json and --csv: give one of them")
    if (index is None) == (not gallery):
        raise UserError("give pictures or folders to look in, or --index FOLDER, and not both")
    if index is None and (cameras or after or before or faiss):
        raise UserError(
            "--camera, --after, --before and --faiss are for --index: loose pictures have no such data"
        )
    if index is None and weights is None:
        raise UserError("--weights FILE is needed to look in loose pictures")
    if weights is not None:
        check_weights(weights)
    asked = _asked(queries, boxes, people)
    if out is not None:
        for name in (FIGURE, PAGE):
            check_can_make(out, name, "--out")
            _check_may_be_replaced(out, name)
    output = {"out": out, "as_json": as_json, "as_csv": as_csv}
    if index is not None:
        filters = {"cameras": cameras, "after": _in_utc(after), "before": _in_utc(before)}
        own("commands.finding_in_index", "index").look_in_index(
            weights, asked, index, top=top or 20, min_score=min_score, filters=filters, faiss=faiss, **output
        )
        return
    pictures = pictures_in(gallery, queries[0], _say)
    asked_of = {path.resolve() for path in queries}
    pictures = [path for path in pictures if path.resolve() not in asked_of]
    imported("commands.finding:look")(weights, asked, pictures, top=top or 10, min_score=min_score, **output)


def _asked(queries: Sequence[Path], boxes: Sequence[str], people: Sequence[int]) -> "list[Query]":
    """Pair query pictures with boxes or numbers of people; a query has neither where the user is to choose.

    Raises:
        UserError: the numbers of them differ, a box is none, or a picture cannot be read.
    """
    if boxes and people:
        raise UserError("--box and --person: give the one or the other for all queries")
    given = len(boxes) + len(people)
    if given not in (0, len(queries)):
        what = "--box" if boxes else "--person"
        raise UserError(f"{given} {what} for {len(queries)} --query: give one for each, in the same order")
    parsed = [_parsed(box) for box in boxes]
    pictures = [read_picture(path) for path in queries]
    for path, picture in zip(queries, pictures, strict=True):
        if picture.remark:
            _say(f"warning: {printable(path)}: {picture.remark}")
    parsed = [
        _cut(box, path, picture.size)
        for box, path, picture in zip(parsed, queries, pictures, strict=bool(parsed))
    ]
    query: Any = imported("commands.querying:Query")
    if boxes:
        return [query(path, box=box) for path, box in zip(queries, parsed, strict=True)]
    if people:
        return [query(path, person=number) for path, number in zip(queries, people, strict=True)]
    return [query(path) for path in queries]


def _cut(given: FloatArray, path: Path, size: tuple[int, int]) -> FloatArray:
    """Return a box cut to its picture; a line says so. Raises `UserError` where it is none in there."""
    box = checked_box(given, size, path)
    if (box != given).any():
        named = f"{printable(path)}, which is {size[0]} x {size[1]} pixels"
        _say(f"note: --box {box_text(given)} reaches over the edge of {named}: cut to {box_text(box)}")
    return box


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)


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


def _check_may_be_replaced(out: Path, name: str) -> None:
    """Check that a file in --out, where it is there, is of an earlier search. Raises `UserError`."""
    path = out / name
    if not path.exists():
        return
    with path.open("rb") as file:
        ours = MADE_BY.encode() in file.read(BEGINNING)
    if not ours:
        raise UserError(
            f"--out {printable(out)}: {name} is there, and not of `{MADE_BY}`; give another folder"
        )
