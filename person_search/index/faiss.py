"""People in a FAISS index: the same hits as the exact ranking, from an index that FAISS multiplies.

FAISS gives those who may be among the hits; `rank` computes their similarities anew and orders them.
"""

from typing import Any, Literal

import numpy as np
import pyarrow as pa

from person_search.extras import needed
from person_search.index.arrays import Mask, Rows
from person_search.index.loaded import Floats, LoadedPeople, product_error
from person_search.index.schema import About
from pipeline.basics.environment_variables import cpu_threads

Kind = Literal["flat", "fp16"]
INSTALL = "pip install '.[faiss]'"
ROWS_AT_ONCE = 16_384
SPARE = 16
"""So many more people than wanted are asked for at first."""


class FaissPeople:
    """People in a FAISS index, for `rank`.

    An index of kind `flat` holds float32 (`IndexFlatIP`), one of kind `fp16` float16 (`ScalarQuantizer`):
    half the memory. The people's own embeddings are copied into the index and not kept beside it. An `fp16`
    index of people kept as float32 rounds them: similarities differ by less than 0.0005. In all other cases
    hits and similarities are those of `LoadedPeople`.

    Args:
        people: in memory.
        kind: of the index.

    Attributes:
        about: what the embeddings have in common.
        people: all columns but the embedding.

    Raises:
        UserError: FAISS is not installed.
    """

    def __init__(self, people: LoadedPeople, kind: Kind = "flat") -> None:
        self._faiss = needed("faiss", INSTALL)
        self.about: About = people.about
        self.people: pa.Table = people.people
        dimension = people.about.embedding_dim
        product = self._faiss.METRIC_INNER_PRODUCT
        if kind == "flat":
            self._index: Any = self._faiss.IndexFlatIP(dimension)
        else:
            half = self._faiss.ScalarQuantizer.QT_fp16
            self._index = self._faiss.IndexScalarQuantizer(dimension, half, product)
        for begin in range(0, len(people), ROWS_AT_ONCE):
            rows = np.arange(begin, min(begin + ROWS_AT_ONCE, len(people)))
            self._index.add(people.vectors(rows))

    def __len__(self) -> int:
        """Return how many people there are."""
        return int(self._index.ntotal)

    def vectors(self, rows: Rows) -> Floats:
        """Return the embeddings of some people as the index holds them, `[K, D]` in float32."""
        vectors: Floats = self._index.reconstruct_batch(np.ascontiguousarray(rows, dtype=np.int64))
        return vectors

    def similar(self, query: Floats, mask: Mask | None, top: int) -> Rows:
        """Return the people most similar to a query; see `LoadedPeople.similar`.

        Equal similarities are many in pictures that were indexed twice: where the last one that FAISS gives
        may tie with the hits, it is asked for more.
        """
        allowed = len(self) if mask is None else int(mask.sum())
        parameters = self._only(mask)
        wanted = top + SPARE
        margin = 2 * product_error(self.about.embedding_dim)
        while True:
            count = min(wanted, allowed)
            products, rows = self._search(query, count, parameters)
            if count == allowed or products[-1] < products[top - 1] - margin:
                return rows
            wanted *= 4

    def _search(self, query: Floats, count: int, parameters: Any) -> tuple[Floats, Rows]:
        """Return `[count]` products, falling, and rows."""
        if not count:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(cpu_threads())
        try:
            products, rows = self._index.search(query[None], count, params=parameters)
        finally:
            self._faiss.omp_set_num_threads(before)
        found = rows[0] >= 0
        return products[0][found], rows[0][found]

    def _only(self, mask: Mask | None) -> Any:
        if mask is None:
            return None
        bits = np.packbits(mask, bitorder="little")
        return self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bits))
