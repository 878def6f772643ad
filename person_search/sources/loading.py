"""Loading frames beside the network, in processes of their own.

Processes, not threads: a decoder that crashes costs one item. Their frames are handed over in memory, a copy
each, by threads that do not hold up the network.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, tzinfo
from fractions import Fraction
from functools import partial
from typing import Self

from person_search.sources.cameras import Cameras
from person_search.sources.channel import ClosedError
from person_search.sources.frames import Frame
from person_search.sources.jobs import Job, frames_of, gap_of
from person_search.sources.loading_process import End, LoadingProcess, Note
from person_search.sources.places import Item, Kind
from person_search.sources.shelf import Shelf

AHEAD = 32
"""How many frames are loaded ahead of the one that is asked for."""
AHEAD_BYTES = 512 << 20
"""How many bytes these have at most, unless a single frame has more."""
MOST_WORKERS = 4


@dataclass(frozen=True)
class LoadedFrame:
    """A frame of an item."""

    item: Item
    frame: Frame


@dataclass(frozen=True)
class ItemEnd:
    """All frames of an item were given.

    Attributes:
        item: the item.
        gap: the line that says why it, or its rest, is passed over; None where it was read as a whole.
    """

    item: Item
    gap: str | None = None


FrameOrGap = LoadedFrame | ItemEnd
_Result = Frame | Note | End


def load_frames(
    items: Sequence[Item],
    *,
    every: Fraction | None = None,
    cameras: Cameras | None = None,
    zone: tzinfo = UTC,
    after: Mapping[str, int] | None = None,
    workers: int | None = None,
    ahead: int = AHEAD,
    say: Callable[[str], None] = lambda _line: None,
) -> "LoadedFrames":
    """Start to load the frames of all items; return the iterator that gives them, an `ItemEnd` behind each's.

    Processes start now, and load as far ahead as they may before the first frame is asked for. Files come in
    the order of the items, one after the other. Streams come after them, all at once, each in a process of
    its own. An item that cannot be read, or not to its end, is no error: its end says so. Close the iterator,
    with `contextlib.closing`: then all processes and threads are gone.

    Args:
        items: as `listed` gives them.
        every: of videos and streams, take the first frame of each so many seconds; None for every frame.
        cameras: names their cameras.
        zone: of times that do not tell their own.
        after: of videos that were read in part, by source, the number of the last frame that is known.
        workers: how many processes read files; 0 reads everything in this one, where a crash is a crash, and
            nothing ahead. By default one less than there are processors, at least one and at most four.
        ahead: how many frames are loaded ahead.
        say: called with a line about a stream that was lost, and about files whose camera is not known.
    """
    cameras, after = cameras or Cameras(), after or {}
    jobs = [
        Job(
            item,
            cameras.of_stream() if item.path is None else cameras.of_path(item.path),
            every,
            after.get(item.source),
            zone,
        )
        for item in items
    ]
    cameras.say(say)
    return LoadedFrames(jobs, default_workers() if workers is None else workers, ahead, say)


def default_workers() -> int:
    """Return how many processes read files where nothing is said."""
    return min(MOST_WORKERS, max(1, len(os.sched_getaffinity(0)) - 1))


def _read_here(jobs: Sequence[Job], say: Callable[[str], None]) -> Generator[FrameOrGap, None, None]:
    for job in jobs:
        gap = None
        try:
            for frame in frames_of(job, say):
                yield LoadedFrame(job.item, frame)
        except Exception as error:  # whatever is wrong with one item, the others are read
            gap = gap_of(job.item, error)
        yield ItemEnd(job.item, gap)


class LoadedFrames:
    """The frames of items, an iterator: see `load_frames`.

    Args:
        jobs: the items.
        workers: how many processes read files; 0 reads in this one.
        ahead: how many frames are loaded ahead.
        say: called with a line about a stream that was lost.
    """

    def __init__(self, jobs: Sequence[Job], workers: int, ahead: int, say: Callable[[str], None]) -> None:
        files = [job for job in jobs if workers and job.item.kind != Kind.STREAM]
        self._loading = _Loading(files, workers, Shelf(ahead, AHEAD_BYTES))
        self._results = self._all(jobs, len(files), say) if workers else _read_here(jobs, say)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FrameOrGap:
        """Return what comes next.

        Raises:
            RuntimeError: the processes cannot start.
        """
        return next(self._results)

    def close(self) -> None:
        """End all processes and threads."""
        self._results.close()
        self._loading.close()  # also where no result was taken: then the line above has ended nothing

    def _all(
        self, jobs: Sequence[Job], files: int, say: Callable[[str], None]
    ) -> Generator[FrameOrGap, None, None]:
        with closing(self._loading):
            for number in range(files):
                yield from self._loading.results([number], say)
        streams = [job for job in jobs if job.item.kind == Kind.STREAM]
        with closing(_Loading(streams, len(streams), Shelf(0, 0))) as loading:
            yield from loading.results(range(len(streams)), say)


class _Loading:
    """Reads items in processes, each served by a thread.

    Args:
        jobs: the items.
        workers: how many processes.
        shelf: where the results wait.
    """

    def __init__(self, jobs: Sequence[Job], workers: int, shelf: Shelf[_Result]) -> None:
        self._jobs, self._shelf = jobs, shelf
        self._waiting = iter(range(len(jobs)))
        self._lock = threading.Lock()
        self._processes = [LoadingProcess() for _ in range(min(workers, len(jobs)))]
        self._threads = [
            threading.Thread(target=self._serve, args=(process,), daemon=True) for process in self._processes
        ]
        for thread in self._threads:
            thread.start()

    def results(self, numbers: Sequence[int], say: Callable[[str], None]) -> Iterator[FrameOrGap]:
        """Yield what comes of some of the items, until they have all ended."""
        going = set(numbers)
        while going:
            number, result = self._shelf.take(going)
            item = self._jobs[number].item
            if isinstance(result, Note):
                say(result.line)
            elif isinstance(result, End):
                going.remove(number)
                yield ItemEnd(item, result.gap)
            else:
                yield LoadedFrame(item, result)

    def close(self) -> None:
        """End all processes and threads."""
        self._shelf.close()
        for process in self._processes:
            process.end()
        for thread in self._threads:
            thread.join()

    def _serve(self, process: LoadingProcess) -> None:
        """Let a process read items until none is left."""
        try:
            while (number := self._next()) is not None:
                self._read(process, number)
        except ClosedError:
            pass
        except Exception as error:  # raised where the results are taken
            self._shelf.fail(error)
        finally:
            process.close()

    def _read(self, process: LoadingProcess, number: int) -> None:
        room = partial(self._shelf.wait_for_room, number)
        for result in process.read(self._jobs[number], room):
            size = result.pixels.size if isinstance(result, Frame) else 0
            self._shelf.put(number, result, size)

    def _next(self) -> int | None:
        with self._lock:
            return next(self._waiting, None)
