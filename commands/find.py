"""`person-search find`: look for a person in one's own pictures with a trained student."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from commands.tables import table_text
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.devices import one_device
from pipeline.inference.finding import Hit, checked_box, find_person
from pipeline.inference.own_pictures.folders import pictures_in
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.models.heads import load_student
from pipeline.reporting.found_figure import MOST_DRAWN, found_figure
from pipeline.scenes.scene import FloatArray
from stages.support.running import ShownProgress

FIGURE = "found.png"
CORNERS = 4
DIGITS = 4
REMARKS_SHOWN = 5
"""How many pictures are named that were read by a guess or made smaller; the rest is counted."""


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
    type=click.Path(path_type=Path, readable=False),
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
    picture = read_picture(query)
    box = checked_box(_parsed(box_text), picture.size, query)
    if out is not None:
        _make_folder(out)
    pictures = pictures_in(gallery, query, _say)
    network = load_student(weights)
    left_out, remarks = _Warnings(), _Warnings(most=REMARKS_SHOWN)
    with ShownProgress("find") as progress:
        hits = find_person(
            network,
            query,
            box,
            pictures,
            score_threshold=score_threshold,
            device=one_device(),
            progress=progress,
            passed_over=lambda why: left_out.add(f"{why}; left out"),
            remarked=remarks.add,
        )
    remarks.say_rest("pictures of which such things are to be said")
    searched = len(pictures) - left_out.number
    if not searched:
        raise UserError("none of the pictures could be searched: see the warnings above")
    shown = hits[:top]
    if out is not None:
        write_atomically(out / FIGURE, found_figure(query, box, shown))
    if as_json:
        click.echo(json.dumps(_as_values(query, box, searched, len(hits), shown), indent=2))
        return
    counts = f"{_counted(len(hits), 'person', 'people')} in {_counted(searched, 'picture', 'pictures')}"
    _print(f"{counts}; the most similar to {printable(query)} {_text(box)}:")
    _print_hits(shown)
    if out is not None:
        more = f" (the first {MOST_DRAWN} of them)" if len(shown) > MOST_DRAWN else ""
        _print(f"picture: {printable(out / FIGURE)}{more}")


class _Warnings:
    """Prints and counts warnings; with `most`, only the first ones are printed."""

    def __init__(self, most: int | None = None) -> None:
        self.number = 0
        self._most = most

    def add(self, line: str) -> None:
        """Count a warning, and print it where it is among the first."""
        self.number += 1
        if self._most is None or self.number <= self._most:
            _say(f"warning: {line}")

    def say_rest(self, what: str) -> None:
        """Say how many warnings were not printed."""
        if self._most is not None and self.number > self._most:
            _say(f"warning: {self.number - self._most:,} more {what}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _print(line: str) -> None:
    """Print a line; what the output's encoding lacks is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(line.encode(encoding, "backslashreplace").decode(encoding))


def _make_folder(out: Path) -> None:
    """Make the folder for the picture, before a long search and not after."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {printable(out)} is a file: give a folder")
    out.mkdir(parents=True, exist_ok=True)


def _parsed(text: str) -> FloatArray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != CORNERS:
        raise UserError(f"--box {text}: give four numbers, x1,y1,x2,y2 in pixels")
    return np.array(values)


def _print_hits(hits: Sequence[Hit]) -> None:
    if not hits:
        _print("nobody; a lower --score-threshold shows people that the detector is less sure of")
        return
    lines = [
        (f"{rank}", f"{hit.similarity:.3f}", f"{hit.score:.2f}", _text(hit.box), printable(hit.path))
        for rank, hit in enumerate(hits, start=1)
    ]
    _print(table_text(lines, ("rank", "similarity", "score", "box", "picture"), right=range(3)))


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _text(box: FloatArray) -> str:
    return ",".join(f"{value:.0f}" for value in box)


def _as_values(
    query: Path, box: FloatArray, pictures: int, people: int, hits: Sequence[Hit]
) -> dict[str, Any]:
    return {
        "query": str(query),
        "box": [round(float(value), DIGITS) for value in box],
        "pictures": pictures,
        "people": people,
        "hits": [
            {
                "rank": rank,
                "file": str(hit.path),
                "box": [round(float(value), DIGITS) for value in hit.box],
                "score": round(hit.score, DIGITS),
                "similarity": round(hit.similarity, DIGITS),
            }
            for rank, hit in enumerate(hits, start=1)
        ],
    }
