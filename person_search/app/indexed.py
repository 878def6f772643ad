"""The people of an index as the page needs them: who is in which frame, and who is similar to whom."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from person_search.hits import Hit
from person_search.index.arrays import Rows, codes_of, numbers
from person_search.index.coverage import SourceState
from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import rank
from person_search.index.schema import BOX
from person_search.index.selection import Selection
from person_search.index.snapshot import Snapshot, listing
from person_search.index.store import PeopleStore
from person_search.networks.network import Floats
from person_search.sources.frames import is_file, path_of
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

FRAME_BITS = 32
Key = tuple[str, int, tuple[float, float, float, float]]
"""Source, frame and box: what tells a person of an index from all others, however often it is loaded."""


@dataclass(frozen=True)
class Place:
    """A picture, or a frame of a video: a source of the index, and a number."""

    source: str
    frame: int


@dataclass(frozen=True, eq=False)
class Ranked:
    """A hit, and its embedding `[D]`."""

    hit: Hit
    embedding: Floats

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.hit.source, self.hit.frame, self.hit.box


@dataclass(frozen=True, eq=False)
class Seen:
    """The people of an index in one frame, the surest first.

    Attributes:
        boxes: `[N, 4]` x1 y1 x2 y2, in pixels of the source.
        scores: `[N]` 0..1, falling.
        embeddings: `[N, D]` of unit length.
    """

    boxes: Floats
    scores: Floats
    embeddings: Floats

    def keys(self, place: Place) -> frozenset[Key]:
        """Return what tells these people from all others of the index."""
        return frozenset((place.source, place.frame, _four(box)) for box in self.boxes.tolist())


@dataclass(frozen=True)
class IndexedPeople:
    """The people of one state of an index.

    Attributes:
        loaded: the people in memory.
        sources: what was read of each source.
    """

    loaded: LoadedPeople
    sources: dict[str, SourceState]

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.loaded)

    @cached_property
    def cameras(self) -> list[str]:
        """The names of all cameras, in order."""
        column = self.loaded.people.column("camera")
        return sorted({name for chunk in column.chunks for name in chunk.dictionary.to_pylist() if name})

    @cached_property
    def places(self) -> list[Place]:
        """All frames that have people and can be shown again, in order."""
        names = self._names
        order = np.argsort(np.array(names, dtype=object), kind="stable")
        rank_of = np.empty(len(names), dtype=np.int64)
        rank_of[order] = np.arange(len(names))
        frames = numbers(self.loaded.people.column("frame"), np.int32).astype(np.int64)
        both = np.unique((rank_of[self._codes] << FRAME_BITS) | frames) if len(self) else frames
        found = [(names[order[one >> FRAME_BITS]], int(one & (1 << FRAME_BITS) - 1)) for one in both]
        return [Place(source, frame) for source, frame in found if is_file(source)]

    def people_in(self, place: Place) -> Seen:
        """Return the people in one frame; nobody where the index does not know the frame."""
        rows: Rows = np.zeros(0, dtype=np.int64)
        if place.source in self._names:
            of_source = self._codes == self._names.index(place.source)
            frames = numbers(self.loaded.people.column("frame"), np.int32)
            rows = np.flatnonzero(of_source & (frames == place.frame))
        column = self.loaded.people.column
        scores = numbers(column("score"), np.float32)[rows]
        order = np.argsort(-scores, kind="stable")
        boxes = np.stack([numbers(column(name), np.float32)[rows] for name in BOX], axis=1)
        return Seen(boxes[order], scores[order], self.loaded.vectors(rows[order]))

    def count(self, where: Selection) -> int:
        """Return how many people are selected."""
        return len(self) if where.selects_all else int(where.mask(self.loaded.people).sum())

    def similar(
        self, queries: Sequence[Floats], where: Selection, hidden: AbstractSet[Key], most: int
    ) -> list[Ranked]:
        """Return the people most similar to one person, best first.

        Args:
            queries: one or several embeddings `[D]` of that person.
            where: who may be found.
            hidden: people who are left out.
            most: how many are returned at most.

        Raises:
            UserError: the queries cancel each other out.
        """
        ranked = rank(self.loaded, np.stack(queries), most + len(hidden), where)
        shown = [hit for hit in ranked if (hit.source, hit.frame, hit.box) not in hidden][:most]
        vectors = self.loaded.vectors(np.array([hit.row for hit in shown], dtype=np.int64))
        return [Ranked(hit, vector) for hit, vector in zip(shown, vectors, strict=True)]

    def why_changed(self, source: str) -> str | None:
        """Return how a file differs from what was indexed; None for a stream or where it does not."""
        if not is_file(source):
            return None
        path = path_of(source)
        try:
            status = path.stat()
        except OSError as error:
            return f"{printable(path)} is gone ({error.strerror})"
        state = self.sources.get(source)
        if state is None or not state.is_of(status.st_size, status.st_mtime_ns):
            return f"{printable(path)} has changed since it was indexed"
        return None

    @cached_property
    def _names(self) -> list[str]:
        chunks = self.loaded.people.column("source").chunks
        return list(chunks[0].dictionary.to_pylist()) if chunks else []

    @cached_property
    def _codes(self) -> npt.NDArray[np.int64]:
        chunks = self.loaded.people.column("source").chunks
        return np.concatenate([np.zeros(0, dtype=np.int64), *map(codes_of, chunks)])


class PeopleIndex:
    """An index on disk, loaded anew where it has changed: who was removed from it is not shown any more.

    Args:
        path: the folder.

    Raises:
        UserError: it is no index, or a file of it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about = PeopleStore.open(path).about
        self._lock = Lock()
        self._listing: object = None
        self._people: IndexedPeople | None = None

    def now(self) -> IndexedPeople:
        """Return its people as they are now.

        Raises:
            UserError: it is there no more, is damaged, or was made anew with another network.
        """
        with self._lock:
            try:
                found = listing(self.path)
                if self._people is None or found != self._listing:
                    self._people, self._listing = self._loaded(), found
            except OSError as error:
                raise UserError(f"{printable(self.path)} cannot be read: {error.strerror}") from None
            return self._people

    def _loaded(self) -> IndexedPeople:
        with Snapshot(self.path) as snapshot:
            snapshot.about.check(self.about, self.path)
            return IndexedPeople(LoadedPeople.of(snapshot), snapshot.sources())


def _four(box: Sequence[float]) -> tuple[float, float, float, float]:
    return box[0], box[1], box[2], box[3]
