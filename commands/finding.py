"""The search of `person-search find` in loose pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.hits import counted, is_to_choose, show
from commands.printing import say
from commands.querying import Query, looked_for
from person_search.finding import find_in_pictures
from person_search.searcher import PersonSearcher
from person_search.sources.frames import source_text
from pipeline.basics.errors import UserError
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
    """Look for one person in loose pictures, and print who is most similar; see `show` for the output.

    Args:
        weights: of the network.
        queries: who is looked for.
        pictures: where to look.
        top: how many hits are shown.
        min_score: detections below it are left out.
        output: see `show`.

    Raises:
        UserError: a query or the weights are no good, or no picture could be searched.
    """
    searcher = PersonSearcher(weights)
    if is_to_choose(searcher, queries, min_score, output):
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
    where = f"{counted(len(hits), 'person', 'people')} in {counted(searched, 'picture', 'pictures')}"
    counts = {"pictures": searched, "people": len(hits)}
    show(wanted, hits[:top], where, counts, lambda source: as_given[source], **output)


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
