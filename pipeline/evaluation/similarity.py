"""Similarities of queries with boxes, multiplied block after block by several threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Array = npt.NDArray[Any]

SIMILARITIES_AT_ONCE = 8_000_000
"""The most similarities in a block; in float32 they take 32 MB. There are two blocks with several threads."""
FEATURE_ROWS_AT_ONCE = 8192


@contextmanager
def one_thread_a_product() -> Iterator[None]:
    """Let each matrix product of NumPy run on its caller's thread alone.

    The threads of `similarities` would otherwise start as many again, and the number of threads could change
    the last bits of a product.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def similarities(queries: Array, feats: Array, threads: int = 1) -> Iterator[Array]:
    """Yield `[N]` dot products of each query with all boxes; see `one_thread_a_product`.

    They are summed in float64 and then rounded to the features' own width. Otherwise equal features could
    have unequal similarities, since a matrix product may sum each row in another order.

    Args:
        queries: `[Q, D]` features.
        feats: `[N, D]` features of all boxes.
        threads: how many multiply, 1 or more; the caller is one of them. With 2 or more, the next block is
            multiplied while the caller works on this one. It has no effect on the numbers.
    """
    block = max(1, SIMILARITIES_AT_ONCE // max(1, len(feats)))
    parts = [queries[begin : begin + block] for begin in range(0, len(queries), block)]
    if threads == 1:
        for part in parts:
            yield from _Block(part, feats).finished()
        return
    with ThreadPoolExecutor(threads - 1, "similarities") as helpers:
        ahead: deque[_Block] = deque()
        for part in parts:
            ahead.append(_Block(part, feats, helpers))
            if len(ahead) > 1:
                yield from ahead.popleft().finished()
        for last in ahead:
            yield from last.finished()


class _Block:
    """The similarities of some queries, each tile of it multiplied by whoever is free.

    Args:
        queries: `[B, D]` features.
        feats: `[N, D]` features of all boxes.
        helpers: start on the tiles at once; None to leave all to `finished`.
    """

    def __init__(self, queries: Array, feats: Array, helpers: Executor | None = None) -> None:
        self._queries = queries.astype(np.float64)
        self._feats = feats
        self._similarity = np.empty((len(queries), len(feats)), dtype=np.result_type(queries, feats))
        # The tiles are the same for any number of threads: a product's last bits may depend on its shape.
        starts = range(0, len(feats), FEATURE_ROWS_AT_ONCE)
        self._tiles = [slice(start, start + FEATURE_ROWS_AT_ONCE) for start in starts]
        self._tasks: list[Future[None] | None] = [
            helpers.submit(self._multiply, tile) if helpers else None for tile in self._tiles
        ]

    def finished(self) -> Array:
        """Return `[B, N]`, after the caller has multiplied the tiles that no helper has begun."""
        # Helpers begin at the front, the caller at the back.
        for tile, task in zip(reversed(self._tiles), reversed(self._tasks), strict=True):
            if task is None or task.cancel():
                self._multiply(tile)
        for task in self._tasks:
            if task is not None and not task.cancelled():
                task.result()
        return self._similarity

    def _multiply(self, tile: slice) -> None:
        self._similarity[:, tile] = self._queries @ self._feats[tile].astype(np.float64).T
