"""Which queries the figure of searches shows, and the hits of each student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.detections import Detections
from pipeline.reporting.ranking import Hit, ranked_hits
from pipeline.scenes.scene import Query, Split

NUMBER = 5
TOP = 6


@dataclass(frozen=True)
class Answer:
    """The hits of one student for a query.

    Attributes:
        hits: the most similar boxes.
        ranks: the ranks (1, 2, ...) of all correct boxes, also of those beyond `hits`.
    """

    hits: list[Hit]
    ranks: list[int]


@dataclass(frozen=True)
class ShownQuery:
    """One query of the figure.

    Attributes:
        number: its position in the split's queries.
        query: where the person was seen.
        matches: number of gallery scenes that show the person.
        answers: by student.
    """

    number: int
    query: Query
    matches: int
    answers: Mapping[str, Answer]


def evenly_spaced(total: int, number: int = NUMBER) -> list[int]:
    """Return the middles of `number` equal parts of 0 .. total - 1. The choice depends on no result."""
    number = min(number, total)
    return [(2 * part + 1) * total // (2 * number) for part in range(number)]


def at_random(total: int, number: int = NUMBER, seed: int = 0) -> list[int]:
    """Return `number` of 0 .. total - 1, the same for the same seed, in ascending order."""
    drawn = np.random.default_rng(seed).choice(total, min(number, total), replace=False)
    return sorted(int(index) for index in drawn)


def most_gained(
    before: Sequence[float], after: Sequence[float], number: int = NUMBER
) -> tuple[list[int], list[int]]:
    """Return the queries that gain most from one student to another, and those that lose most.

    Args:
        before: `[Q]` average precision of each query with one student.
        after: `[Q]` the same with the other student.
        number: how many of each to return at most. The largest changes come first, and among
            equal ones the first queries.
    """
    gains = np.array(after) - np.array(before)
    rising = np.argsort(gains, kind="stable")
    return [int(index) for index in np.argsort(-gains, kind="stable")[:number]], [
        int(index) for index in rising[:number]
    ]


def shown_queries(
    split: Split,
    students: Mapping[str, Detections],
    gallery: str,
    *,
    search_threshold: float,
    chosen: Sequence[int],
    top: int = TOP,
) -> list[ShownQuery]:
    """Search for some queries with each student.

    Args:
        split: scenes, queries and galleries.
        students: the detections of each student, in the table's order.
        gallery: name of the gallery to search.
        search_threshold: boxes with score >= this are searched.
        chosen: positions in the split's queries.
        top: how many hits an answer has at most.
    """
    shown = []
    for index in chosen:
        query = split.queries[index]
        listed = split.galleries[gallery].of_query(index, query.scene, split.cameras)
        answers = {}
        for student, detections in students.items():
            hits = ranked_hits(split, detections, index, gallery, search_threshold=search_threshold)
            ranks = [rank for rank, hit in enumerate(hits, start=1) if hit.correct]
            answers[student] = Answer(hits[:top], ranks)
        shown.append(ShownQuery(index, query, len(np.unique(listed.positives)), answers))
    return shown
