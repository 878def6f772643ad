"""The search of `person-search find`, and what is said about it."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from glob import escape
from io import StringIO
from pathlib import Path
from typing import Any

import click
import numpy as np

from commands.find import FIGURE, PAGE
from commands.printing import print_line, say
from commands.querying import LookedFor, Query, let_choose, looked_for
from commands.tables import table_text
from person_search.drawing import as_png
from person_search.finding import find_in_pictures
from person_search.hits import DIGITS, Hit, as_values
from person_search.hits_page import hits_page
from person_search.hits_sheet import MOST_DRAWN, hits_sheet
from person_search.index.faiss import FaissPeople
from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import rank
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from person_search.searcher import PersonSearcher
from person_search.sources.frames import path_of, source_text
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.scenes.scene import FloatArray
from stages.support.running import ShownProgress

REMARKS_SHOWN = 5
"""How many pictures are named that were read by a guess or made smaller; the rest is counted."""


def look(
    weights: Path,
    queries: Sequence[Query],
    pictures: Sequence[Path],
    *,
    top: int,
    min_score: float,
    **output: Any,
) -> None:
    """Look for one person in loose pictures, and print who is most similar; see `_show` for the output.

    Args:
        weights: of the network.
        queries: who is looked for.
        pictures: where to look.
        top: how many hits are shown.
        min_score: detections below it are left out.
        output: see `_show`.

    Raises:
        UserError: a query or the weights are no good, or no picture could be searched.
    """
    searcher = PersonSearcher(weights)
    if _is_to_choose(searcher, queries, min_score, output):
        return
    wanted = looked_for(searcher, queries, min_score)
    left_out, remarks = _Warnings(), _Warnings(most=REMARKS_SHOWN)
    with ShownProgress("find") as progress:
        hits = find_in_pictures(
            searcher.network,
            wanted.embedding,
            pictures,
            min_score=min_score,
            progress=progress,
            passed_over=lambda why: left_out.add(f"{why}; left out"),
            remarked=remarks.add,
        )
    remarks.say_rest("pictures of which such things are to be said")
    searched = len(pictures) - left_out.number
    if not searched:
        raise UserError("none of the pictures could be searched: see the warnings above")
    as_given = {source_text(path): str(path) for path in (*pictures, *(query.path for query in queries))}
    where = f"{_counted(len(hits), 'person', 'people')} in {_counted(searched, 'picture', 'pictures')}"
    counts = {"pictures": searched, "people": len(hits)}
    _show(wanted, hits[:top], where, counts, lambda source: as_given[source], **output)


def look_in_index(
    weights: Path | None,
    queries: Sequence[Query],
    index: Path,
    *,
    top: int,
    min_score: float,
    filters: Mapping[str, Any],
    faiss: bool,
    **output: Any,
) -> None:
    """Look for one person in an index, and print who is most similar; see `_show` for the output.

    Args:
        weights: of the network; None for where the index says that they are.
        queries: who is looked for. Their own pictures are not looked in.
        index: the folder.
        top: how many hits are shown.
        min_score: detections below it are left out.
        filters: `cameras`, `after` and `before` of a `Selection`.
        faiss: whether FAISS ranks, by embeddings in 16 bits a number.
        output: see `_show`.

    Raises:
        UserError: a query, the weights or the index are no good, or they do not belong together.
    """
    store = PeopleStore.open(index)
    file = weights or weights_of(store)
    searcher = PersonSearcher(file)
    store.about.check(replace(store.about, model_hash=searcher.network.file_hash), index)
    if _is_to_choose(searcher, queries, min_score, output):
        return
    wanted = looked_for(searcher, queries, min_score)
    own = [escape(hit.source) for hit in wanted.places]
    where = Selection(min_score=min_score, exclude_sources=own, **filters)
    with store.snapshot() as snapshot:
        people = LoadedPeople.of(snapshot, where)
    ranked = rank(FaissPeople(people, "fp16") if faiss else people, wanted.embedding[None], top)
    hits = [
        Hit(one.source, np.array(one.box), one.score, one.similarity, one.frame, one.time, one.camera)
        for one in ranked
    ]
    count = len(people)
    text = f"{_counted(count, 'person', 'people')} of {printable(index)}"
    _show(wanted, hits, text, {"people": count}, lambda source: source, **output)


def weights_of(store: PeopleStore) -> Path:
    """Return where the network was that made an index. Raises `UserError` where it is there no more."""
    path = path_of(store.about.weights) if store.about.weights else None
    if path is None or not path.is_file():
        where = f" (it was {printable(path)})" if path else ""
        raise UserError(
            f"the network of {printable(store.path)} is not where it was{where}: give --weights FILE"
        )
    return path


def _is_to_choose(
    searcher: PersonSearcher, queries: Sequence[Query], min_score: float, output: Mapping[str, Any]
) -> bool:
    """List the people of the queries where none is named yet, and tell whether that was so."""
    if any(query.box is not None or query.person is not None for query in queries):
        return False
    paths = [query.path for query in queries]
    let_choose(searcher, paths, min_score=min_score, out=output["out"], as_json=output["as_json"])
    return True


def _show(
    wanted: LookedFor,
    hits: Sequence[Hit],
    where: str,
    counts: Mapping[str, int],
    name_of: Callable[[str], str],
    *,
    out: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print hits, and draw them where that is asked for.

    Args:
        wanted: who is looked for.
        hits: best first.
        where: in how many pictures and people, in words.
        counts: the same, for JSON.
        name_of: what a source is called.
        out: folder for a page and a picture of the hits; it is made once there is something to write.
        as_json: whether to print JSON instead of a table.
        as_csv: whether to print CSV instead of a table.

    Raises:
        UserError: a picture can no longer be read.
        OSError: the page cannot be written; the hits are printed first.
    """
    named = [replace(hit, source=name_of(hit.source)) for hit in hits]
    places = [replace(hit, source=name_of(hit.source)) for hit in wanted.places]
    failure = _draw(out, wanted.places, hits, where) if out is not None else None
    if as_json:
        click.echo(json.dumps(_as_values(places, counts, named), indent=2))
    elif as_csv:
        click.echo(_as_csv(named), nl=False)
    else:
        looked = ", ".join(f"{printable(hit.source)} {_text(hit.box)}" for hit in places)
        print_line(f"{where}; the most similar to {looked}:")
        _print_hits(named)
    if failure is not None:
        raise failure
    if out is not None and not (as_json or as_csv):
        more = f" (the first {MOST_DRAWN} of them)" if len(hits) > MOST_DRAWN else ""
        print_line(f"page: {printable(out / PAGE)}, picture: {printable(out / FIGURE)}{more}")


def _draw(out: Path, places: Sequence[Hit], hits: Sequence[Hit], where: str) -> OSError | None:
    """Write the page and the picture of the hits. Returns the error where the system does not let them be."""
    try:
        write_atomically(out / FIGURE, as_png(hits_sheet(places, hits)))
        write_atomically(out / PAGE, hits_page(places, hits, f"Most similar of {where}").encode())
    except OSError as error:
        return error
    return None


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
        print_line("nobody; a lower --min-score shows people that the detector is less sure of")
        return
    head, columns = (
        ["rank", "similarity", "score", "box"],
        [_columns(rank, hit) for rank, hit in enumerate(hits, 1)],
    )
    extra = [name for name in ("camera", "time", "frame") if any(_more(hit)[name] for hit in hits)]
    lines = [
        (*own, *(_more(hit)[name] for name in extra), printable(hit.source))
        for own, hit in zip(columns, hits, strict=True)
    ]
    print_line(table_text(lines, (*head, *extra, "picture"), right=range(3)))


def _columns(rank: int, hit: Hit) -> tuple[str, str, str, str]:
    return f"{rank}", f"{hit.similarity:.3f}", f"{hit.score:.2f}", _text(hit.box)


def _more(hit: Hit) -> dict[str, str]:
    """Return what only people of an index have; empty texts where it is not known."""
    return {
        "camera": printable(hit.camera or ""),
        "time": f"{hit.time:%Y-%m-%d %H:%M:%S}" if hit.time else "",
        "frame": f"{hit.frame}" if hit.frame else "",
    }


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _text(box: FloatArray) -> str:
    return ",".join(f"{value:.0f}" for value in box)


def _as_csv(hits: Sequence[Hit]) -> str:
    """Return hits as CSV: the columns of JSON, the box in four."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["rank", "file", "frame", "time", "camera", "x1", "y1", "x2", "y2", "score", "similarity"]
    )
    for values in as_values(hits):
        box = values.pop("box")
        writer.writerow([*list(values.values())[:5], *box, values["score"], values["similarity"]])
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.getvalue().encode(encoding, "backslashreplace").decode(encoding)


def _as_values(queries: Sequence[Hit], counts: Mapping[str, int], hits: Sequence[Hit]) -> dict[str, Any]:
    asked = [
        {"query": hit.source, "box": [round(float(value), DIGITS) for value in hit.box]} for hit in queries
    ]
    return {**asked[0], "queries": asked, **counts, "hits": as_values(hits)}
