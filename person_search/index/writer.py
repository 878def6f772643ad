"""Changing a store: every change is one file that is there whole or not at all.

What newer files make stale is rewritten right after, oldest first. A process that is killed in between leaves
stale rows, which readers of this package ignore, and which the next writer removes.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from person_search.index.arrays import codes_of, flags, numbers
from person_search.index.catalogue import live_mask
from person_search.index.coverage import WHOLE, Coverage, Covered, Range, SourceState, joined
from person_search.index.fragments import OpenFragment, Place, write_fragment
from person_search.index.locks import FolderLock
from person_search.index.rows import PeopleRows, checked_table
from person_search.index.schema import MOST_FRAMES, schema_of
from person_search.index.selection import Selection
from person_search.index.snapshot import Snapshot

LARGEST = 50_000
"""The most people, and the most sources, in a fragment that others are merged into."""
COMMITS_BETWEEN = 32
"""After so many commits, small fragments are merged, where there are as many of a size."""
SIZES = (LARGEST // 50, LARGEST // 5, LARGEST // 2)
"""Fragments below the first are small, and so on: merged by size, a row is not rewritten time and again."""
UNFINISHED = ".people-*.tmp"
"""What a killed writer leaves: files that are not yet part of the store."""


@dataclass(frozen=True)
class Removed:
    """What was removed from a store.

    Attributes:
        people: how many.
        sources: which sources had them, or were forgotten without having any, by name.
    """

    people: int
    sources: tuple[str, ...]


class StoreWriter:
    """The one who writes to a store, as a context manager: it locks the store, and merges files at the end.

    Args:
        folder: the store.
        rank: which process of a distributed run this is, 0 in any other.
        ranks: how many there are. No source may be written by two of them. What their commits make stale is
            removed, and files are merged, by the one that is done last.
    """

    def __init__(self, folder: Path, rank: int = 0, ranks: int = 1) -> None:
        self.folder = folder
        self._rank = rank
        self._shared = ranks > 1
        self._commits = 0
        self._own = set[Place]()

    def __enter__(self) -> Self:
        """Lock the store, and remove what a killed writer left.

        Raises:
            UserError: another process writes to it, or a file is damaged.
            OSError: it cannot be written.
        """
        self._lock = FolderLock(self.folder, self._shared)
        try:
            self._look()
            if not self._shared:
                self._tidy_all()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Merge small files, unless there was an error, and unlock the store."""
        try:
            if kind is None:
                self._finish()
        finally:
            self._lock.release()

    def sources(self) -> dict[str, SourceState]:
        """Return the state of each source, as this process knows it."""
        return self._catalogue.states()

    def commit(
        self,
        rows: PeopleRows | pa.Table,
        sources: Mapping[str, SourceState],
        continues: Mapping[str, int] | None = None,
    ) -> None:
        """Take in sources and their people; what was known of these sources is replaced.

        Args:
            rows: people, each of one of these sources; a table has the columns of the store.
            sources: all sources that were read, those without people among them.
            continues: of videos that are continued, the first frame of this part: what is known of earlier
                frames stays.

        Raises:
            ValueError: the rows are not what they should be, or a source that is continued is not known as
                unfinished, has changed, or would have a gap.
            OSError: it cannot be written; the store is as it was, or this commit is in it whole and only
                the removal of stale rows has failed.
        """
        coverage = self._coverage(sources, continues or {})
        table = checked_table(rows, self.about)
        _check_covered(table, coverage)
        if not coverage:
            return
        self._own.add(self._add(table, coverage))
        if not self._shared:
            self._tidy(self._older(coverage))
        self._commits += 1
        if self._commits % COMMITS_BETWEEN == 0:
            for size in SIZES:
                self._merge(size, least=COMMITS_BETWEEN)

    def remove(self, where: Selection) -> Removed:
        """Remove people.

        Selected by source alone, sources are forgotten: a file that is indexed again is read again. Selected
        by anything else, people go and their sources stay known: unchanged files are not read again.

        Raises:
            ValueError: nothing is selected, or this is one process of several.
            OSError: it cannot be written; call it again.
        """
        if where.selects_all:
            raise ValueError("name a source, a camera or a time to remove")
        self._refuse_shared()
        if where.by_source_alone:
            return self._forget(source for source in self.sources() if where.has_source(source))
        return self._remove_people(where)

    def prune(self, existing: Container[str]) -> Removed:
        """Forget the sources that are not among the existing ones, with their people.

        Raises:
            ValueError: this is one process of several.
            OSError: it cannot be written; call it again.
        """
        self._refuse_shared()
        return self._forget(source for source in self.sources() if source not in existing)

    def _look(self) -> None:
        with Snapshot(self.folder) as snapshot:
            self.about, self._catalogue = snapshot.about, snapshot.catalogue

    def _finish(self) -> None:
        if self._shared:
            if not self._lock.alone():
                return
            self._shared = False
            self._look()
            self._tidy_all()
        self._merge(SIZES[-1], least=2)

    def _refuse_shared(self) -> None:
        if self._shared:
            raise ValueError("only a process that writes alone may remove")

    def _coverage(self, sources: Mapping[str, SourceState], continues: Mapping[str, int]) -> Coverage:
        if unknown := continues.keys() - sources.keys():
            raise ValueError(f"{sorted(unknown)} are continued, but no sources of this commit")
        for source, first in continues.items():
            known, state = self._catalogue.state(source), sources[source]
            if known is None or known.last_frame is None or not state.is_of(known.size, known.mtime_ns):
                raise ValueError(f"{source} cannot be continued: no unfinished part of it is known")
            if not 0 < first <= known.last_frame + 1:
                raise ValueError(f"{source} cannot be continued at {first}: read up to {known.last_frame}")
        return {
            source: Covered(state, ((continues.get(source, 0), MOST_FRAMES),))
            for source, state in sources.items()
        }

    def _add(self, table: pa.Table, coverage: Coverage) -> Place:
        """Write a new fragment, newer than all that this process knows."""
        place = Place(max(self._catalogue.fragments).number + 1, self._rank)
        while (self.folder / place.name).exists():
            place = Place(place.number + 1, self._rank)
        self._write(place, table, coverage)
        return place

    def _write(self, place: Place, table: pa.Table, coverage: Coverage) -> None:
        self._catalogue.put(write_fragment(self.folder / place.name, table, coverage, self.about))

    def _read(self, place: Place) -> pa.Table:
        opened = OpenFragment(self.folder / place.name, place)
        try:
            return opened.read()
        finally:
            opened.close()

    def _older(self, coverage: Coverage) -> list[Place]:
        """Return the fragments that cover any of these sources, oldest first."""
        return sorted({place for source in coverage for place in self._catalogue.holders(source)})

    def _tidy_all(self) -> None:
        for path in self.folder.glob(UNFINISHED):
            path.unlink(missing_ok=True)
        self._tidy(self._catalogue.places())

    def _tidy(self, places: Iterable[Place]) -> int:
        """Remove what is stale from fragments, given oldest first; return how many people that were."""
        people = 0
        for place in places:
            fragment, stale = self._catalogue.fragments[place], self._catalogue.stale(place)
            done = {  # sources that are removed, and that no older fragment has any more
                source
                for source, covered in fragment.covers.items()
                if covered.state is None and self._catalogue.holders(source)[0] == place
            }
            if not stale and not done:
                continue
            owned = self._catalogue.owned(place)
            coverage = {
                source: owned[source] if source in stale else covered
                for source, covered in fragment.covers.items()
                if source not in done and (source not in stale or source in owned)
            }
            table = self._read(place)
            left = table.filter(flags(live_mask(table, stale)))
            self._write(place, left, coverage)
            people += len(table) - len(left)
            if not coverage:
                # The empty file is on the disk: where a power failure undoes the removal, it does no harm.
                self._delete(place)
        return people

    def _delete(self, place: Place) -> None:
        (self.folder / place.name).unlink()
        self._catalogue.drop(place)
        self._own.discard(place)

    def _forget(self, sources: Iterable[str]) -> Removed:
        """Remove sources, all of them or none: a fragment covers them and has no people of them."""
        gone = tuple(sorted(sources))
        if not gone:
            return Removed(0, ())
        coverage = {source: Covered(None, (WHOLE,)) for source in gone}
        self._add(schema_of(self.about).empty_table(), coverage)
        return Removed(self._tidy(self._older(coverage)), gone)

    def _remove_people(self, where: Selection) -> Removed:
        people, sources = 0, set[str]()
        for place in self._catalogue.places():
            table = self._read(place)
            mask = where.mask(table)
            if not mask.any():
                continue
            gone = table.filter(flags(mask))
            self._write(place, table.filter(flags(~mask)), self._catalogue.fragments[place].covers)
            people += len(gone)
            sources.update(gone.column("source").unique().to_pylist())
        return Removed(people, tuple(sorted(sources)))

    def _merge(self, size: int, least: int) -> None:
        """Merge fragments below a size, if there are at least so many."""
        small = [place for place in self._catalogue.places() if self._may_merge(place, size)]
        if len(small) < least:
            return
        pack, weight = list[Place](), 0
        for place in small:
            added = self._catalogue.fragments[place].weight
            if pack and weight + added > LARGEST:
                self._merge_pack(pack)
                pack, weight = [], 0
            pack.append(place)
            weight += added
        self._merge_pack(pack)

    def _may_merge(self, place: Place, size: int) -> bool:
        fragment = self._catalogue.fragments[place]
        mine = place in self._own if self._shared else bool(place.number)
        return mine and fragment.weight < size

    def _merge_pack(self, pack: list[Place]) -> None:
        """Write one fragment that owns what these own, then delete them: at any moment all is there once."""
        if len(pack) < 2:
            return
        people = list[pa.Table]()
        ranges = dict[str, tuple[Range, ...]]()
        for place in pack:
            table = self._read(place)
            people.append(table.filter(flags(live_mask(table, self._catalogue.stale(place)))))
            for source, covered in self._catalogue.owned(place).items():
                ranges[source] = (*ranges.get(source, ()), *covered.ranges)
        coverage = {
            source: Covered(self._catalogue.state(source), joined(own)) for source, own in ranges.items()
        }
        schema = schema_of(self.about)
        table = checked_table(pa.concat_tables([one.cast(schema) for one in people]), self.about)
        self._own.add(self._add(table, coverage))
        for place in pack:
            self._delete(place)


def _check_covered(table: pa.Table, coverage: Coverage) -> None:
    """Check that people are of the sources and frames that a fragment is to cover.

    Raises:
        ValueError: somebody is not.
    """
    texts = table.column("source").combine_chunks().dictionary_encode()
    names = texts.dictionary.to_pylist()
    if strangers := set(names) - coverage.keys():
        raise ValueError(f"people of {sorted(strangers)[0]}, which is no source of this commit")
    ranges = [coverage[name].read_ranges() for name in names]
    bounds = np.array([own[0] if own else (1, 0) for own in ranges], dtype=np.int64).reshape(-1, 2)
    codes, frames = codes_of(texts), numbers(table.column("frame"), np.int32)
    outside = (frames < bounds[codes, 0]) | (frames > bounds[codes, 1])
    if outside.any():
        raise ValueError(f"people of {names[codes[outside.argmax()]]} in frames that are not of this commit")
