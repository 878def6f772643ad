"""Building an index: frames are searched for people in batches, and each batch is one commit.

Which pictures are in a batch depends on the listing alone, not on what is known already. So a run that was
killed and goes on commits the same batches as one that was not.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from person_search.index.coverage import SourceState
from person_search.index.rows import PeopleRows
from person_search.index.writer import StoreWriter
from person_search.networks.network import Floats, FoundPeople, SearchNetwork
from person_search.sources.frames import Frame
from person_search.sources.loading import FrameOrGap, ItemEnd, LoadedFrame
from person_search.sources.places import Item, Kind
from pipeline.basics.errors import UserError

LIVE_SECONDS = 2.0
"""After so long, what a stream showed is committed, although the batch is not full."""
Say = Callable[[str], None]


@dataclass
class Built:
    """What a run did.

    Attributes:
        frames: how many were searched.
        people: how many were found in them.
        sources: how many were read to their end.
        passed_over: how many could not be read, or not to their end.
        network_seconds: how long the network took.
    """

    frames: int = 0
    people: int = 0
    sources: int = 0
    passed_over: int = 0
    network_seconds: float = 0.0


def batches_of(items: Sequence[Item], size: int) -> list[list[Item]]:
    """Divide items into batches: up to `size` pictures that follow each other, or one video or stream."""
    batches = list[list[Item]]()
    for item in items:
        last = batches[-1] if batches else []
        if item.kind is Kind.PICTURE and last and last[0].kind is Kind.PICTURE and len(last) < size:
            last.append(item)
        else:
            batches.append([item])
    return batches


def to_do(batches: Iterable[Sequence[Item]], known: Mapping[str, SourceState]) -> list[list[Item]]:
    """Return of each batch the items that are new, changed, or not read to their end, if there are some."""
    wanted = ([item for item in batch if not _is_done(item, known.get(item.source))] for batch in batches)
    return [batch for batch in wanted if batch]


def frames_known(item: Item, known: Mapping[str, SourceState]) -> int | None:
    """Return up to which frame a video or stream has been read already; None where it starts anew."""
    state = known.get(item.source)
    return state.last_frame if state is not None and state.is_of(item.size, item.mtime_ns) else None


def _is_done(item: Item, state: SourceState | None) -> bool:
    return state is not None and state.complete and state.is_of(item.size, item.mtime_ns)


@dataclass
class _Batch:
    """Frames that wait for the network, and the items that are at their end with them."""

    frames: list[Frame] = field(default_factory=list)
    ended: dict[str, SourceState] = field(default_factory=dict)


class IndexBuilder:
    """Searches frames for people and commits them.

    Args:
        writer: of the store.
        network: detects and embeds.
        batch_size: frames of a video in a commit, at most.
        min_score: people that are less sure, 0..1, are not kept.
        say: called with a line about each item that is passed over, and each remark about a picture.

    Attributes:
        built: what was done so far.
    """

    def __init__(
        self, writer: StoreWriter, network: SearchNetwork, *, batch_size: int, min_score: float, say: Say
    ) -> None:
        self.built = Built()
        self._writer, self._network, self._say = writer, network, say
        self._batch_size, self._min_score = batch_size, min_score
        self._batch = _Batch()
        self._known: Mapping[str, SourceState] = {}
        self._read_to = dict[str, int | None]()
        self._streams_from = dict[str, int]()
        self._committed = time.monotonic()

    def build(self, batches: Sequence[Sequence[Item]], loaded: Iterable[FrameOrGap]) -> Iterator[Item]:
        """Search all frames, and commit them batch by batch.

        Args:
            batches: what `to_do` gave.
            loaded: the frames of all their items, in order, each item's followed by its end.

        Yields:
            Each item whose end was reached.

        Raises:
            OSError: a commit cannot be written; those before it stay.
        """
        last_of_batch = {batch[-1].source for batch in batches}
        self._known = known = self._writer.sources()
        self._read_to = {item.source: frames_known(item, known) for batch in batches for item in batch}
        self._streams_from = {
            source: 0 if last is None else last + 1 for source, last in self._read_to.items()
        }
        for one in loaded:
            if isinstance(one, LoadedFrame):
                self._take(one.item, one.frame)
                continue
            self._end(one)
            if one.item.source in last_of_batch:
                self._commit()
            yield one.item

    def _take(self, item: Item, frame: Frame) -> None:
        if frame.remark:
            self._say(f"warning: {frame.source}: {frame.remark}")
        if item.kind is Kind.PICTURE:
            self._batch.frames.append(frame)
            return
        if item.kind is Kind.STREAM:  # its frames are counted from 0 in each run
            frame = replace(frame, frame=frame.frame + self._streams_from[item.source])
        self._batch.frames.append(frame)
        state = SourceState(item.size, item.mtime_ns, complete=False, last_frame=frame.frame)
        self._batch.ended[item.source] = state
        waited = time.monotonic() - self._committed
        if len(self._batch.frames) >= self._batch_size or (
            item.kind is Kind.STREAM and waited > LIVE_SECONDS
        ):
            self._commit()

    def _end(self, end: ItemEnd) -> None:
        item = end.item
        if end.gap is not None:
            fate = "left out"
            if self._has_frames(item):
                fate = "the rest is left out"
            elif item.source in self._known:
                fate = "left out; what was found in it before stays"
            self._say(f"warning: {end.gap}; {fate}")
            self.built.passed_over += 1
            if not self._has_frames(item):
                return  # it is tried again by the next run
        if item.kind is Kind.STREAM:
            return  # it is never read to its end
        self._batch.ended[item.source] = SourceState(item.size, item.mtime_ns)
        self.built.sources += 1

    def _has_frames(self, item: Item) -> bool:
        return self._last_frame(item) is not None

    def _last_frame(self, item: Item) -> int | None:
        own = [frame.frame for frame in self._batch.frames if frame.source == item.source]
        return own[-1] if own else self._read_to.get(item.source)

    def _commit(self) -> None:
        batch, self._batch, self._committed = self._batch, _Batch(), time.monotonic()
        rows = self._rows(batch.frames)
        parts = ((source, self._read_to[source]) for source in batch.ended)
        self._writer.commit(
            rows, batch.ended, {source: last + 1 for source, last in parts if last is not None}
        )
        self._read_to.update({source: state.last_frame for source, state in batch.ended.items()})

    def _rows(self, frames: Sequence[Frame]) -> PeopleRows:
        found = self._detected(frames)
        kept = [people.scores >= self._min_score for people in found]
        counts = [int(np.count_nonzero(own)) for own in kept]
        self.built.frames += len(frames)
        self.built.people += sum(counts)
        boxes = [_in_source_pixels(frame, people.boxes) for frame, people in zip(frames, found, strict=True)]
        of_row = [frame for frame, count in zip(frames, counts, strict=True) for _ in range(count)]
        return PeopleRows(
            [frame.source for frame in of_row],
            [frame.frame for frame in of_row],
            [frame.time for frame in of_row],
            [frame.camera for frame in of_row],
            _joined([own[keep] for own, keep in zip(boxes, kept, strict=True)], 4),
            _joined([people.scores[keep, None] for people, keep in zip(found, kept, strict=True)], 1)[:, 0],
            _joined(
                [people.embeddings[keep] for people, keep in zip(found, kept, strict=True)],
                self._network.embedding_dim,
            ),
        )

    def _detected(self, frames: Sequence[Frame]) -> list[FoundPeople]:
        """Detect people; a picture that the network cannot take has none, and a line says so."""
        start = time.perf_counter()
        try:
            return self._network.detect([frame.pixels for frame in frames])
        except UserError:
            return [self._detected_in(frame) for frame in frames]
        finally:
            self.built.network_seconds += time.perf_counter() - start

    def _detected_in(self, frame: Frame) -> FoundPeople:
        try:
            (found,) = self._network.detect([frame.pixels])
        except UserError as error:
            self._say(f"warning: {frame.source}: {error}; nobody is looked for in it")
            empty = np.zeros((0, self._network.embedding_dim), np.float32)
            return FoundPeople(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), empty)
        return found


def _in_source_pixels(frame: Frame, boxes: Floats) -> Floats:
    height, width = frame.pixels.shape[:2]
    scale = np.tile([width / frame.size[0], height / frame.size[1]], 2)
    result: Floats = (boxes / scale).astype(np.float32)
    return result


def _joined(parts: Sequence[Floats], width: int) -> Floats:
    return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
