"""People that are like the one looked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from person_search.extras import needed

if TYPE_CHECKING:
    import pandas

DIGITS = 4
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Hit:
    """One person who was detected, and how similar to the one looked for.

    Attributes:
        source: the picture or video, as `source_text` names it, or a stream's address.
        box: x1 y1 x2 y2, in pixels of the source.
        score: the detection score, 0..1.
        similarity: cosine similarity to the person looked for, -1..1.
        frame: of a video; 0 of a picture.
        time: when it was taken, in UTC, where that is known.
        camera: where that is known.
        row: of an index, which of the people that were ranked; their `vectors` has the embedding.
    """

    source: str
    box: Box
    score: float
    similarity: float
    frame: int = 0
    time: datetime | None = None
    camera: str | None = None
    row: int | None = None


def as_values(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Return hits as plain values for JSON, with their rank from 1."""
    return [
        {
            "rank": rank,
            "file": hit.source,
            "frame": hit.frame,
            "time": hit.time.isoformat() if hit.time else None,
            "camera": hit.camera,
            "box": [round(float(value), DIGITS) for value in hit.box],
            "score": round(hit.score, DIGITS),
            "similarity": round(hit.similarity, DIGITS),
        }
        for rank, hit in enumerate(hits, start=1)
    ]


def to_pandas(hits: Sequence[Hit]) -> "pandas.DataFrame":
    """Return a table with a line a hit: rank, source, frame, time, camera, x1, y1, x2, y2, score, similarity.

    Raises:
        UserError: pandas is not installed.
    """
    module = needed("pandas", "pip install pandas")
    table: pandas.DataFrame = module.DataFrame(
        {
            "rank": range(1, len(hits) + 1),
            "source": [hit.source for hit in hits],
            "frame": [hit.frame for hit in hits],
            "time": module.to_datetime([hit.time for hit in hits], utc=True),
            "camera": [hit.camera for hit in hits],
            **{
                name: [float(hit.box[place]) for hit in hits]
                for place, name in enumerate(("x1", "y1", "x2", "y2"))
            },
            "score": [hit.score for hit in hits],
            "similarity": [hit.similarity for hit in hits],
        }
    )
    return table
