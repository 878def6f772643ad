"""People that tests put into a store, and what a store holds, as plain Python values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from person_search.index.coverage import SourceState
from person_search.index.rows import PeopleRows
from person_search.index.schema import About
from person_search.index.store import PeopleStore

DIMENSION = 8
ABOUT = About("ab" * 32, DIMENSION, {"size": [640, 480]})
START = datetime(2026, 1, 1, tzinfo=UTC)
STATE = SourceState(100, 200)


@dataclass(frozen=True, order=True)
class Person:
    """One row; the number tells it from all others."""

    source: str
    frame: int
    number: int
    camera: str | None = None
    hour: int | None = None


def rows_of(people: Iterable[Person], dimension: int = DIMENSION) -> PeopleRows:
    """Return people as a commit takes them; the embedding is drawn from the number."""
    people = list(people)
    return PeopleRows(
        source=[one.source for one in people],
        frame=[one.frame for one in people],
        time=[None if one.hour is None else START + timedelta(hours=one.hour) for one in people],
        camera=[one.camera for one in people],
        boxes=np.array([[one.number, 0, one.number + 1, 1] for one in people], np.float32).reshape(-1, 4),
        scores=np.array([(one.number % 10) / 10 for one in people], np.float32),
        embeddings=unit([one.number for one in people], dimension),
    )


def unit(numbers: Iterable[int], dimension: int = DIMENSION) -> np.ndarray:
    """Return `[N, D]` of unit length, the same for the same number."""
    drawn = [np.random.default_rng(number).standard_normal(dimension) for number in numbers]
    vectors = np.array(drawn, np.float32).reshape(-1, dimension)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def people_in(table: pa.Table) -> list[Person]:
    """Return the people of a table, in order of source, frame and number."""
    columns = table.select(["source", "frame", "x1", "camera", "time"]).to_pydict()
    hours = [None if time is None else (time - START) // timedelta(hours=1) for time in columns["time"]]
    rows = zip(
        columns["source"], columns["frame"], map(int, columns["x1"]), columns["camera"], hours, strict=True
    )
    return sorted((Person(*row) for row in rows), key=lambda one: (one.source, one.frame, one.number))


def seen(path: Path) -> list[Person]:
    """Return the people that our reader sees."""
    with PeopleStore.open(path).snapshot() as snapshot:
        return people_in(snapshot.table())


def seen_by_others(path: Path) -> list[Person]:
    """Return the people that any reader of a folder of Parquet files sees."""
    return people_in(pyarrow.dataset.dataset(path).to_table())
