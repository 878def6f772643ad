"""The people looked for and the hits as a page of HTML that needs no other file."""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from person_search.drawing import as_jpeg
from person_search.hits import Hit
from person_search.hits_sheet import BLUE, MOST_DRAWN, TILE, Cut, cut_outs, framed

TEMPLATE = Path(__file__).with_suffix(".html")
ORANGE = "#d95f02"


def hits_page(queries: Sequence[Hit], hits: Sequence[Hit], about: str, made_by: str) -> str:
    """Return the page.

    Args:
        queries: where the person looked for is.
        hits: best first, may be empty; the first `MOST_DRAWN` are shown.
        about: the title above the hits.
        made_by: the program, which the page's beginning says.

    Raises:
        UserError: a picture can no longer be read.
    """
    hits = hits[:MOST_DRAWN]
    cuts = cut_outs([*queries, *hits])
    shown = [_shown(hit, cut, BLUE) for hit, cut in zip(queries, cuts, strict=False)]
    ranked = [
        {"rank": rank, **_shown(hit, cut, ORANGE)}
        for rank, (hit, cut) in enumerate(zip(hits, cuts[len(queries) :], strict=True), start=1)
    ]
    return _template().render(queries=shown, hits=ranked, about=about, made_by=made_by, width=TILE[0])


def _shown(hit: Hit, cut: Cut, colour: str) -> dict[str, Any]:
    return {
        "jpeg": b64encode(as_jpeg(framed(cut, colour))).decode(),
        "source": hit.source,
        "frame": hit.frame,
        "camera": hit.camera,
        "time": f"{hit.time:%Y-%m-%d %H:%M:%S} UTC" if hit.time else None,
        "score": f"{hit.score:.2f}",
        "similarity": f"{hit.similarity:.3f}",
    }


@cache
def _template() -> Template:
    return Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
