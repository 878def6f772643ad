"""A short queue between a thread that must not wait and one that may be slow."""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """Holds the newest things that a thread made, for another one to take.

    Args:
        most: how many wait; when one more comes, the oldest is dropped.

    Attributes:
        dropped: how many were.
    """

    def __init__(self, most: int) -> None:
        self.dropped = 0
        self._most = most
        self._things: deque[T] = deque()
        self._error: Exception | None = None
        self._ended = False
        self._changed = threading.Condition()

    def fill(self, things: Generator[T, None, None]) -> None:
        """Take all things from a generator, until it ends or `stop` is called; then close it."""
        try:
            for thing in things:
                with self._changed:
                    if self._ended:
                        break
                    self._add(thing)
        except Exception as error:  # raised where the things are taken
            self._error = error
        finally:
            things.close()
            self.stop()

    def stop(self) -> None:
        """End it: nothing more is added, and who takes things gets what is there."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Yield things until the end; then raise the error with which the generator ended, if it did."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._things or self._ended)
                if not self._things:
                    break
                thing = self._things.popleft()
            yield thing
        if self._error is not None:
            raise self._error

    def _add(self, thing: T) -> None:
        if len(self._things) == self._most:
            self._things.popleft()
            self.dropped += 1
        self._things.append(thing)
        self._changed.notify_all()
