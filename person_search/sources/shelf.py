"""Results of several items between the threads that load them and the program that takes them."""

import threading
from collections import deque
from collections.abc import Collection
from typing import Generic, TypeVar

from person_search.sources.channel import ClosedError

T = TypeVar("T")


class Shelf(Generic[T]):
    """Holds a bounded number of results; those of one item stay in order.

    There is always room for one result of each item that is taken from next, so that nothing waits for ever.

    Args:
        most: how many results with a size it holds, those of all items together.
        most_bytes: the sum of their sizes.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._results: dict[int, deque[tuple[T, int]]] = {}
        self._number = self._bytes = 0
        self._next: Collection[int] = ()
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()

    def wait_for_room(self, item: int, size: int) -> None:
        """Wait until a result of an item may be put that has so many bytes. Raises `ClosedError`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(item, size))
            if self._closed:
                raise ClosedError
            self._number += 1
            self._bytes += size

    def put(self, item: int, result: T, size: int = 0) -> None:
        """Put a result of an item; `size` is what was waited for, 0 if nothing was."""
        with self._changed:
            self._results.setdefault(item, deque()).append((result, size))
            self._changed.notify_all()

    def take(self, items: Collection[int]) -> tuple[int, T]:
        """Return the next result of one of the items, and which it is, once there is one; items take turns.

        Raises:
            ClosedError: the shelf was closed.
            Exception: what `fail` was given.
        """
        with self._changed:
            self._next = items
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._error or self._first() is not None)
            if self._error is not None:
                raise self._error
            item = self._first()
            if self._closed or item is None:
                raise ClosedError
            return item, self._taken(item)

    def fail(self, error: Exception) -> None:
        """Let `take` raise an error."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Let all who wait go on with `ClosedError`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, item: int, size: int) -> bool:
        if item in self._next and item not in self._results:
            return True
        return self._number < self._most and self._bytes + size <= self._most_bytes

    def _first(self) -> int | None:
        """Return the item to take from: the one that was not taken from for longest."""
        return next((item for item in self._results if item in self._next), None)

    def _taken(self, item: int) -> T:
        results = self._results.pop(item)
        result, size = results.popleft()
        if results:
            self._results[item] = results
        if size:
            self._number -= 1
            self._bytes -= size
        self._changed.notify_all()
        return result
