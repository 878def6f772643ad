"""The people most similar to one person, exactly.

The order is that of similarities in float64, and of source, frame and place in the frame where they are
equal. It depends neither on how a store's files lie nor on the number of threads.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from person_search.hits import Hit
from person_search.index.arrays import Mask, Rows, is_there, moment_of, numbers, places
from person_search.index.loaded import Floats, LoadedPeople
from person_search.index.schema import BOX, About
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from person_search.one_person import one_person
from pipeline.basics.errors import UserError

ROWS_AT_ONCE = 8192


class Searchable(Protocol):
    """People in memory: `LoadedPeople`, or `FaissPeople`."""

    @property
    def about(self) -> About:
        """What their embeddings have in common."""
        ...

    @property
    def people(self) -> pa.Table:
        """All columns but the embedding."""
        ...

    def similar(self, query: Floats, mask: Mask | None, top: int) -> Rows:
        """Return the people most similar to a query; see `LoadedPeople.similar`."""
        ...

    def vectors(self, rows: Rows) -> Floats:
        """Return the embeddings of some people, `[K, D]`."""
        ...


def rank(
    people: Searchable | PeopleStore,
    queries: npt.NDArray[np.floating[Any]],
    top: int = 20,
    where: Selection | None = None,
) -> list[Hit]:
    """Return the people most similar to one person, the most similar first.

    Args:
        people: in memory, or a store, of which only the selected people are loaded.
        queries: `[K, D]`, K embeddings of that person: their mean as unit vectors is looked for.
        top: how many at most, 1 or more.
        where: who may be found; all others are left out before the ranking. None for all.

    Raises:
        UserError: the queries are of another dimension, or cancel each other out.
        ValueError: `top` is below 1.
        OSError: the store cannot be read.
    """
    if top < 1:
        raise ValueError(f"{top} hits: it must be 1 or more")
    if isinstance(people, PeopleStore):
        with people.snapshot() as snapshot:
            people, where = LoadedPeople.of(snapshot, where), None
    query = mean_query(queries, people.about.embedding_dim)
    mask = None if where is None or where.selects_all else where.mask(people.people)
    rows = people.similar(query.astype(np.float32), mask, top)
    similarities = _exact(people, query, rows)
    order = _best(people.people, rows, similarities, top)
    return _hits(people.people, rows[order], similarities[order])


def mean_query(queries: npt.NDArray[np.floating[Any]], dimension: int) -> npt.NDArray[np.float64]:
    """Return the unit vector of the mean of queries as unit vectors.

    Args:
        queries: `[K, D]`, K of 1 or more.
        dimension: D of the people who are searched.

    Returns:
        `[D]`.

    Raises:
        UserError: the queries are of another dimension, no finite numbers, zero, or cancel each other out.
    """
    vectors = np.asarray(queries, dtype=np.float64)
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != dimension:
        raise UserError(
            f"queries {list(vectors.shape)}: this index has embeddings of {dimension} numbers; "
            "embed the query with the model that made the index"
        )
    return one_person(vectors)


def _exact(people: Searchable, query: npt.NDArray[np.float64], rows: Rows) -> npt.NDArray[np.float64]:
    """Return `[K]` similarities in float64: each row is summed alone, equal rows give equal numbers."""
    parts = [rows[begin : begin + ROWS_AT_ONCE] for begin in range(0, len(rows), ROWS_AT_ONCE)]
    sums = [(people.vectors(part) * query).sum(axis=1) for part in parts]
    return np.concatenate([np.empty(0), *sums])


def _best(
    people: pa.Table, rows: Rows, similarities: npt.NDArray[np.float64], top: int
) -> npt.NDArray[np.int64]:
    """Return the first `top` in order: by falling similarity, then source, frame and place in the frame.

    People of one frame are in one file, in the order of their commit: the row is that place.
    """
    if len(rows) > top:
        least = np.partition(similarities, len(rows) - top)[len(rows) - top]
        kept = np.flatnonzero(similarities >= least)
    else:
        kept = np.arange(len(rows))
    own = people.select(["source", "frame"]).take(places(rows[kept]))
    sources, frames = own.column("source").to_pylist(), own.column("frame").to_pylist()
    keys = sorted(
        (-float(similarities[index]), sources[place], frames[place], int(rows[index]), int(index))
        for place, index in enumerate(kept)
    )
    return np.array([key[-1] for key in keys[:top]], dtype=np.int64)


def _hits(people: pa.Table, rows: Rows, similarities: npt.NDArray[np.float64]) -> list[Hit]:
    found = people.take(places(rows))
    times, timed = numbers(found.column("time"), np.int64).tolist(), is_there(found.column("time"))
    return [
        Hit(
            row=int(rows[place]),
            similarity=float(similarities[place]),
            source=one["source"],
            frame=one["frame"],
            time=moment_of(times[place]) if timed[place] else None,
            camera=one["camera"],
            box=(one[BOX[0]], one[BOX[1]], one[BOX[2]], one[BOX[3]]),
            score=one["score"],
        )
        for place, one in enumerate(found.drop_columns(["time"]).to_pylist())
    ]
