"""Students set side by side place by place: the searches of each place, in the whole gallery of all places.

A place is told by the name of the scene that a query is from: a mixed data set puts its parts' in front.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.reporting.comparison.bootstrap import paired_bootstrap
from pipeline.reporting.comparison.runs import (
    Runs,
    average_precisions,
    query_scenes,
    true_box_average_precisions,
)
from pipeline.scenes.scene import FloatArray, IntArray

SEARCHED: Mapping[str, Callable[[Runs], FloatArray | None]] = {
    "detections": average_precisions,
    "true boxes": true_box_average_precisions,
}
"""What is searched, and the average precisions of the queries then."""
SAME_RUNS = "run both again"


def _is_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return pattern


class Places(Options):
    """Students whose searches are told apart by the places of the queries.

    Attributes:
        title: the question.
        against: the student that the others are compared with, `folder/name`.
        against_is: what it is in a few words.
        students: the others, each with what it is.
        places: by what a place is called: a regular expression that finds something in the names of its
            scenes, and in no others'.
    """

    title: str
    against: str
    against_is: str
    students: dict[str, str] = Field(min_length=1)
    places: dict[str, Annotated[str, AfterValidator(_is_pattern)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _differ(self) -> "Places":
        if self.against in self.students:
            raise ValueError(f"{self.against} is compared with itself")
        return self

    def names(self) -> Iterator[str]:
        """Yield the names of all students."""
        yield from (self.against, *self.students)


def by_place(stated: Places, runs: Mapping[str, Runs]) -> dict[str, Any]:
    """Return the mAP of each student in each place, as plain values for JSON.

    Args:
        stated: what is compared.
        runs: the runs of each student that is named.

    Returns:
        `title`; `places`, each with the number of its `queries`; `searched`, by what is searched
        (`SEARCHED`) the `rows`: the student (`row`), what it `is`, and by place its `mean`, and but for the
        first the `difference` to the first, with the interval of `paired_bootstrap`. What a run does not say
        is left out.

    Raises:
        UserError: the queries of the students differ, their scenes are not known, or a place has none.
    """
    of_place = {name: _queries_of(pattern, name, stated, runs) for name, pattern in stated.places.items()}
    tables = {
        what: _rows(stated, {name: values_of(runs[name]) for name in stated.names()}, of_place)
        for what, values_of in SEARCHED.items()
    }
    return {
        "title": stated.title,
        "places": {name: len(queries) for name, queries in of_place.items()},
        "searched": {what: rows for what, rows in tables.items() if rows},
    }


def check_same_queries(names: Sequence[str], runs: Mapping[str, Runs]) -> None:
    """Check that students have searched for the same people, as far as their runs say it.

    Raises:
        UserError: the queries of one are from other scenes than the first's.
    """
    first, *others = names
    for name in others:
        here, there = query_scenes(runs[first]), query_scenes(runs[name])
        if here is not None and there is not None and [*here] != [*there]:
            raise UserError(
                f"{first} and {name} have other queries, so that they cannot be compared; {SAME_RUNS}"
            )


def _queries_of(pattern: str, place: str, stated: Places, runs: Mapping[str, Runs]) -> IntArray:
    """Return the places of the queries in the students' lists, `[n]`, n > 0."""
    check_same_queries([*stated.names()], runs)
    scenes = query_scenes(runs[stated.against])
    if scenes is None:
        raise UserError(
            f"{stated.against}: its runs do not say which scenes the queries are from; {SAME_RUNS}"
        )
    found = np.flatnonzero([re.search(pattern, scene) is not None for scene in scenes])
    if not len(found):
        raise UserError(f"'{stated.title}': no query is from {place} ({pattern}), but {scenes[0]}, say")
    return found


def _rows(
    stated: Places, values: Mapping[str, FloatArray | None], of_place: Mapping[str, IntArray]
) -> list[dict[str, Any]]:
    """Return the lines of a table; none where the first student's runs lack the values."""
    first = values[stated.against]
    if first is None:
        return []
    rows = [{"row": stated.against, "is": stated.against_is, "places": _means(first, of_place)}]
    for name, what in stated.students.items():
        own = values[name]
        if own is None:
            continue
        places = _means(own, of_place)
        for place, queries in of_place.items():
            difference = paired_bootstrap(first[:, queries], own[:, queries])
            places[place]["difference"] = difference._asdict()
        rows.append({"row": name, "is": what, "places": places})
    return rows


def _means(values: FloatArray, of_place: Mapping[str, IntArray]) -> dict[str, dict[str, Any]]:
    return {place: {"mean": float(values[:, queries].mean())} for place, queries in of_place.items()}
