"""Who is looked for: boxes or numbers of people in query pictures, as one embedding."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from commands.detecting import draw_people, print_people
from commands.printing import say
from person_search.hits import Hit
from person_search.networks.network import Floats
from person_search.one_person import one_person
from person_search.people import People, to_coco
from person_search.searcher import PersonSearcher
from person_search.sources.frames import source_text
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.scenes.scene import FloatArray


@dataclass(frozen=True)
class Query:
    """A query picture, and who is looked for in it.

    Attributes:
        path: the picture.
        box: `[4]` x1 y1 x2 y2 in its pixels, within it; None where a person's number is given.
        person: the number, from 1, of the person whom `detect` prints; None where a box is given.
    """

    path: Path
    box: FloatArray | None = None
    person: int | None = None


@dataclass(frozen=True)
class LookedFor:
    """The person looked for.

    Attributes:
        embedding: `[D]` of unit length: the mean over the queries.
        places: where the person is in the query pictures, as hits of similarity 1.
    """

    embedding: Floats
    places: Sequence[Hit]


def looked_for(searcher: PersonSearcher, queries: Sequence[Query], min_score: float) -> LookedFor:
    """Embed the person whom the queries show.

    Args:
        searcher: detects and embeds.
        queries: each with a box or a person's number.
        min_score: people who are less sure have no number.

    Raises:
        UserError: a picture cannot be read, a box has no area in it, or it has no person of that number.
    """
    embeddings, places = [], []
    for query in queries:
        embedding, box = (
            _by_box(searcher, query) if query.box is not None else _by_number(searcher, query, min_score)
        )
        x1, y1, x2, y2 = box.tolist()
        embeddings.append(embedding)
        places.append(Hit(source_text(query.path), (x1, y1, x2, y2), 1.0, 1.0))
    return LookedFor(one_person(np.stack(embeddings)).astype(np.float32), places)


def _by_box(searcher: PersonSearcher, query: Query) -> tuple[Floats, FloatArray]:
    assert query.box is not None
    return searcher.embed(query.path, query.box[None])[0], query.box


def _by_number(searcher: PersonSearcher, query: Query, min_score: float) -> tuple[Floats, FloatArray]:
    people = searcher.detect(query.path, min_score)
    assert query.person is not None
    if query.person > len(people):
        raise UserError(
            f"--person {query.person}: {_count(people)} found in {printable(query.path)} with a score of "
            f"{min_score:g} or more; give --box, or a lower --min-score"
        )
    place = query.person - 1
    return people.embeddings[place], people.boxes[place].astype(np.float64)


def let_choose(
    searcher: PersonSearcher, paths: Sequence[Path], *, min_score: float, out: Path | None, as_json: bool
) -> None:
    """List the people of query pictures, numbered, and draw them, so that the user can choose one.

    Args:
        searcher: detects and embeds.
        paths: the query pictures.
        min_score: people who are less sure are left out.
        out: folder for the pictures with numbers; None draws nothing.
        as_json: whether to print COCO's JSON instead of tables.

    Raises:
        UserError: a picture cannot be read.
    """
    found, drawn = [], set[Path]()
    for path in paths:
        people = searcher.detect(path, min_score)
        found.append(people)
        if not as_json:
            print_people(path, people)
        if out is not None:
            draw_people(out, path, people, drawn)
    if as_json:
        click.echo(json.dumps(to_coco(found)))
    advice = "" if out else "; with --out they are drawn"
    say(f"choose whom to look for: --person N, the number, or --box x1,y1,x2,y2{advice}")


def _count(people: People) -> str:
    return f"{len(people)} {'person was' if len(people) == 1 else 'people were'}"
