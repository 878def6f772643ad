"""The search of `person-search find`, and what is said about it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from commands.find import FIGURE
from commands.printing import print_line, say
from commands.tables import table_text
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.devices import one_device
from pipeline.inference.finding import Hit, checked_box, find_person
from pipeline.inference.own_pictures.printable import printable
from pipeline.models.heads import load_student
from pipeline.reporting.found_figure import MOST_DRAWN, found_figure
from pipeline.scenes.boxes import box_text
from pipeline.scenes.scene import FloatArray
from stages.support.running import ShownProgress

DIGITS = 4
REMARKS_SHOWN = 5
"""How many pictures are named that were read by a guess or made smaller; the rest is counted."""


def look(
    weights: Path,
    query: Path,
    given: FloatArray,
    size: tuple[int, int],
    pictures: Sequence[Path],
    *,
    top: int,
    score_threshold: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Look for one person, print who is most similar, and draw it where that is asked for.

    Args:
        weights: of the student.
        query: the picture that shows the person.
        given: `[4]` x1 y1 x2 y2 of the person there, in pixels, not yet checked.
        size: width and height of the query.
        pictures: where to look.
        top: how many hits are shown.
        score_threshold: detections below it are left out.
        out: folder for a picture of the hits; it is made once there is something to write.
        as_json: whether to print JSON instead of a table.

    Raises:
        UserError: the box or the weights are no good, or no picture could be searched.
        OSError: the picture of the hits cannot be written; they are printed all the same.
    """
    box = checked_box(given, size, query)
    if (box != given).any():
        picture = f"{printable(query)}, which is {size[0]} x {size[1]} pixels"
        say(f"note: --box {box_text(given)} reaches over the edge of {picture}: cut to {box_text(box)}")
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
    failure = None if out is None else _draw(out / FIGURE, query, box, shown)
    if as_json:
        click.echo(json.dumps(_as_values(query, box, searched, len(hits), shown), indent=2))
    else:
        _print_found(query, box, searched, hits, shown)
    if failure is not None:
        raise failure
    if out is not None and not as_json:
        more = f" (the first {MOST_DRAWN} of them)" if len(shown) > MOST_DRAWN else ""
        print_line(f"picture: {printable(out / FIGURE)}{more}")


def _draw(path: Path, query: Path, box: FloatArray, hits: Sequence[Hit]) -> OSError | None:
    """Write a picture of the hits. An error of the disk is returned: the hits are to be printed before it."""
    try:
        write_atomically(path, found_figure(query, box, hits))
    except OSError as error:
        return error
    return None


def _print_found(
    query: Path, box: FloatArray, searched: int, hits: Sequence[Hit], shown: Sequence[Hit]
) -> None:
    counts = f"{_counted(len(hits), 'person', 'people')} in {_counted(searched, 'picture', 'pictures')}"
    print_line(f"{counts}; the most similar to {printable(query)} {_text(box)}:")
    _print_hits(shown)


class _Warnings:
    """Prints and counts warnings; with `most`, only the first ones are printed."""

    def __init__(self, most: int | None = None) -> None:
        self.number = 0
        self._most = most

    def add(self, line: str) -> None:
        """Count a warning, and print it where it is among the first."""
        self.number += 1
        if self._most is None or self.number <= self._most:
            say(f"warning: {line}")

    def say_rest(self, what: str) -> None:
        """Say how many warnings were not printed."""
        if self._most is not None and self.number > self._most:
            say(f"warning: {self.number - self._most:,} more {what}")


def _print_hits(hits: Sequence[Hit]) -> None:
    if not hits:
        print_line("nobody; a lower --score-threshold shows people that the detector is less sure of")
        return
    lines = [
        (f"{rank}", f"{hit.similarity:.3f}", f"{hit.score:.2f}", _text(hit.box), printable(hit.path))
        for rank, hit in enumerate(hits, start=1)
    ]
    print_line(table_text(lines, ("rank", "similarity", "score", "box", "picture"), right=range(3)))


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
