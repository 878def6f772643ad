"""What `person-search find` shows: hits as a table, JSON, CSV, a page and a picture."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import click

from commands.find import FIGURE, MADE_BY, PAGE
from commands.printing import print_line
from commands.querying import LookedFor, Query, let_choose
from commands.tables import table_text
from person_search.drawing import as_png
from person_search.hits import DIGITS, Box, Hit, as_values
from person_search.hits_page import hits_page
from person_search.hits_sheet import MOST_DRAWN, hits_sheet
from person_search.searcher import PersonSearcher
from pipeline.basics.atomic import write_atomically
from pipeline.inference.own_pictures.printable import printable


def is_to_choose(
    searcher: PersonSearcher, queries: Sequence[Query], min_score: float, output: Mapping[str, Any]
) -> bool:
    """List the people of the queries where none is named yet, and tell whether that was so."""
    if any(query.box is not None or query.person is not None for query in queries):
        return False
    paths = [query.path for query in queries]
    let_choose(searcher, paths, min_score=min_score, out=output["out"], as_json=output["as_json"])
    return True


def show(
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
        write_atomically(out / FIGURE, as_png(hits_sheet(places, hits), MADE_BY))
        write_atomically(out / PAGE, hits_page(places, hits, f"Most similar of {where}", MADE_BY).encode())
    except OSError as error:
        return error
    return None


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def _print_hits(hits: Sequence[Hit]) -> None:
    if not hits:
        print_line("nobody; a lower --min-score, or in an index another --camera or time, may show people")
        return
    head, columns = (
        ["rank", "similarity", "score", "box"],
        [_columns(rank, hit) for rank, hit in enumerate(hits, 1)],
    )
    extra = [name for name in ("camera", "time") if any(_more(hit)[name] for hit in hits)]
    extra += ["frame"] if any(hit.frame for hit in hits) else []
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
        "frame": f"{hit.frame}",
    }


def _text(box: Box) -> str:
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
