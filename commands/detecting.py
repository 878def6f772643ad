"""The work of `person-search detect`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from commands.printing import print_line, say
from commands.tables import table_text
from person_search.drawing import as_jpeg, with_boxes
from person_search.people import People, to_coco
from person_search.searcher import PersonSearcher
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture

DRAWN = "-people"
"""What the names of drawn pictures end with, so that none is that of a picture of the user's."""
HEAD = ("person", "score", "x1", "y1", "x2", "y2")


def detect_in(
    weights: Path, pictures: Sequence[Path], *, min_score: float, out: Path | None, as_json: bool
) -> None:
    """Detect the people in pictures, print them, and draw them where that is asked for.

    Args:
        weights: of the network.
        pictures: files.
        min_score: people that are less sure are left out.
        out: folder for the pictures with boxes; made once there is something to write.
        as_json: whether to print COCO's JSON instead of a table.

    Raises:
        UserError: the weights are no good, or none of the pictures could be read.
    """
    searcher = PersonSearcher(weights)
    found, drawn = [], set[Path]()
    for path in pictures:
        try:
            people = searcher.detect(path, min_score)
        except UserError as error:
            say(f"warning: {error}; left out")
            continue
        found.append(people)
        if not as_json:
            print_people(path, people)
        if out is not None:
            draw_people(out, path, people, drawn)
    if not found:
        raise UserError("none of the pictures could be searched: see the warnings above")
    if as_json:
        click.echo(json.dumps(to_coco(found)))


def print_people(path: Path, people: People) -> None:
    """Print who was found in a picture, numbered from 1."""
    count = f"{len(people)} {'person' if len(people) == 1 else 'people'}"
    print_line(f"{printable(path)}: {count}")
    lines = [
        (f"{number}", f"{score:.2f}", *(f"{value:.0f}" for value in box))
        for number, (score, box) in enumerate(zip(people.scores, people.boxes, strict=True), start=1)
    ]
    if lines:
        print_line(table_text(lines, HEAD, right=range(len(HEAD))))


def draw_people(out: Path, path: Path, people: People, drawn: set[Path]) -> None:
    """Draw the people of a picture with their numbers, and say where.

    Args:
        out: the folder to draw to. It may be the picture's own: the picture is not drawn over.
        path: the picture.
        people: who was found in it.
        drawn: the files that were drawn before; the new one is added.
    """
    picture = read_picture(path)
    labels = [str(number) for number in range(1, len(people) + 1)]
    file = _free_name(out, path, drawn)
    write_atomically(file, as_jpeg(with_boxes(picture.pixels, people.boxes * picture.scale, labels)))
    say(f"picture: {printable(file)}")


def _free_name(out: Path, picture: Path, taken: set[Path]) -> Path:
    """Return a file for a picture; pictures of one name in several folders get numbers."""
    name = f"{picture.stem}{DRAWN}"
    number, file = 1, out / f"{name}.jpg"
    while file in taken or file.resolve() == picture.resolve():
        number += 1
        file = out / f"{name}-{number}.jpg"
    taken.add(file)
    return file
