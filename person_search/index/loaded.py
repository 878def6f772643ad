"""The people of a store in memory, ready to be ranked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from person_search.index.arrays import Mask, Rows, flags
from person_search.index.fragments import Place
from person_search.index.rows import embeddings_of
from person_search.index.schema import About, schema_of
from person_search.index.selection import Selection
from person_search.index.snapshot import Snapshot
from pipeline.basics.environment_variables import cpu_threads
from pipeline.evaluation.similarity import one_thread_a_product

Floats = npt.NDArray[np.float32]
ROWS_AT_ONCE = 2048
"""So many embeddings are converted and multiplied at a time: in float32 they fit a processor's cache."""
PARTS_A_THREAD = 4
EMBEDDING = "embedding"


@dataclass(frozen=True)
class LoadedPeople:
    """N people in memory.

    Attributes:
        about: what their embeddings have in common.
        people: all columns but the embedding; sources and cameras as dictionaries.
        embeddings: `[N, D]` of unit length, float16 or float32.
    """

    about: About
    people: pa.Table
    embeddings: npt.NDArray[Any]

    @classmethod
    def of(
        cls, snapshot: Snapshot, where: Selection | None = None, dtype: str | None = None
    ) -> "LoadedPeople":
        """Load the people of a store.

        Args:
            snapshot: of the store.
            where: which people; None for all.
            dtype: of the embeddings in memory, float16 or float32; None for the store's own.

        Raises:
            UserError: a file is damaged.
        """
        with ThreadPoolExecutor(cpu_threads(), "load") as threads:
            parts = list(threads.map(partial(_Part.of, snapshot, where), snapshot.places()))
            starts = np.cumsum([0, *(len(part.people) for part in parts)])
            shape = (int(starts[-1]), snapshot.about.embedding_dim)
            embeddings = np.empty(shape, dtype or snapshot.about.dtype)
            list(threads.map(lambda part, begin: part.fill(embeddings, begin), parts, starts[:-1].tolist()))
        people = pa.concat_tables([part.people for part in parts]).unify_dictionaries()
        return cls(snapshot.about, people.combine_chunks(), embeddings)

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.embeddings)

    def vectors(self, rows: Rows) -> Floats:
        """Return the embeddings of some people, `[K, D]` in float32."""
        return self.embeddings[rows].astype(np.float32)

    def similar(self, query: Floats, mask: Mask | None, top: int) -> Rows:
        """Return the people most similar to a query, and all whose similarity rounding could have changed.

        Args:
            query: `[D]` of unit length.
            mask: `[N]`, who may be returned; None for all.
            top: how many are wanted, 1 or more.

        Returns:
            `[K]`, in no particular order. Nobody else is as similar as the least similar of the `top`.
        """
        rows: Rows = np.arange(len(self)) if mask is None else np.flatnonzero(mask)
        products = self.products(query, None if mask is None else rows)
        if len(rows) <= top:
            return rows
        least = np.partition(products, len(rows) - top)[len(rows) - top]
        near: Rows = rows[products >= least - 2 * product_error(self.about.embedding_dim)]
        return near

    def products(self, query: Floats, rows: Rows | None = None) -> Floats:
        """Return `[K]`, dot products with a query in float32, of some people or of all."""
        products = np.empty(len(self) if rows is None else len(rows), dtype=np.float32)
        parts = list(_parts(len(products)))
        with one_thread_a_product(), ThreadPoolExecutor(cpu_threads(), "product") as threads:
            list(threads.map(partial(self._multiply, query, rows, products), parts))
        return products

    def _multiply(self, query: Floats, rows: Rows | None, products: Floats, part: slice) -> None:
        """Fill one part of the products."""
        buffer = np.empty((ROWS_AT_ONCE, len(query)), dtype=np.float32)
        for begin in range(part.start, part.stop, ROWS_AT_ONCE):
            own = slice(begin, min(begin + ROWS_AT_ONCE, part.stop))
            block = self.embeddings[own if rows is None else rows[own]]
            if block.dtype != np.float32:
                wide = buffer[: len(block)]
                wide[:] = block
                block = wide
            np.dot(block, query, out=products[own])


def product_error(dimension: int) -> float:
    """Return how far a dot product of unit vectors in float32 can be from the true one, in any order."""
    return dimension * float(np.finfo(np.float32).eps)


def _parts(count: int) -> Iterator[slice]:
    """Cut N rows for threads, at whole blocks."""
    size = -(-count // (cpu_threads() * PARTS_A_THREAD * ROWS_AT_ONCE)) * ROWS_AT_ONCE
    for begin in range(0, count, max(size, ROWS_AT_ONCE)):
        yield slice(begin, min(begin + size, count))


@dataclass(frozen=True)
class _Part:
    """The people of one fragment, without their embeddings."""

    snapshot: Snapshot
    place: Place
    people: pa.Table
    mask: Mask | None

    @classmethod
    def of(cls, snapshot: Snapshot, where: Selection | None, place: Place) -> "_Part":
        """Read those who are selected."""
        names = [name for name in schema_of(snapshot.about).names if name != EMBEDDING]
        people = snapshot.read(place, names)
        if where is None or where.selects_all:
            return cls(snapshot, place, people, None)
        mask = where.mask(people)
        return cls(snapshot, place, people.filter(flags(mask)), mask)

    def fill(self, embeddings: npt.NDArray[Any], begin: int) -> None:
        """Put their embeddings in place."""
        read = 0
        for group in self.snapshot.read_groups(self.place, [EMBEDDING]):
            own = embeddings_of(group.column(EMBEDDING))
            mask = None if self.mask is None else self.mask[read : read + len(own)]
            read += len(own)
            own = own if mask is None else own[mask]
            embeddings[begin : begin + len(own)] = own
            begin += len(own)
