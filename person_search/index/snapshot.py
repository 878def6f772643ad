"""What a reader sees of a store: one state of it, whatever writers do meanwhile."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from person_search.index.arrays import flags
from person_search.index.catalogue import Catalogue, Stale, live_mask
from person_search.index.coverage import SourceState
from person_search.index.fragments import OpenFragment, Place
from person_search.index.schema import About, schema_of
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

ATTEMPTS = 1000
Identity = tuple[int, int, int]
"""A file's number, size and time of change: another file of the same name has others."""


class Snapshot:
    """One state of a store, with its files held open; a context manager.

    Args:
        folder: the store.

    Raises:
        UserError: it is no store, or a file of it is damaged or belongs to another store.
        OSError: the system does not let it be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened = _open_all(folder)
        try:
            self.about = _common_about(self._opened)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def catalogue(self) -> Catalogue:
        """Which fragment owns what.

        Raises:
            UserError: a file is damaged.
        """
        return Catalogue(opened.fragment for opened in self._opened.values())

    def close(self) -> None:
        """Let go of the files."""
        for opened in self._opened.values():
            opened.close()

    def places(self) -> list[Place]:
        """Return the fragments, oldest first."""
        return self.catalogue.places()

    def sources(self) -> dict[str, SourceState]:
        """Return the state of each source that was read, those without people among them."""
        return self.catalogue.states()

    def read(self, place: Place, columns: list[str] | None = None) -> pa.Table:
        """Return the people that a fragment owns, sources and cameras as dictionaries.

        Raises:
            UserError: the file is damaged.
        """
        names = columns or schema_of(self.about).names
        stale = self.catalogue.stale(place)
        return _live(self._opened[place].read(_needed(names, stale)), names, stale)

    def read_groups(self, place: Place, columns: list[str]) -> Iterator[pa.Table]:
        """Yield the people of `read`, some at a time, in the same order.

        Raises:
            UserError: the file is damaged.
        """
        stale = self.catalogue.stale(place)
        for people in self._opened[place].groups(_needed(columns, stale)):
            yield _live(people, columns, stale)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return all people, in no particular order.

        Raises:
            UserError: a file is damaged.
        """
        schema = schema_of(self.about)
        wanted = pa.schema([schema.field(name) for name in columns or schema.names], schema.metadata)
        return pa.concat_tables([self.read(place, columns).cast(wanted) for place in self.places()])


def _needed(columns: list[str], stale: Stale) -> list[str]:
    """Return the columns to read: which people are stale is told by source and frame."""
    return [*columns, *({"source", "frame"} - set(columns))] if stale else columns


def _live(people: pa.Table, columns: list[str], stale: Stale) -> pa.Table:
    """Return columns of the people who are not stale."""
    return people.filter(flags(live_mask(people, stale))).select(columns) if stale else people


def listing(folder: Path) -> dict[Place, Identity]:
    """Return the files of a store.

    Raises:
        UserError: it has none: it is no store.
        OSError: the folder cannot be read.
    """
    try:
        found = {place: _identity(entry) for place, entry in _fragments_in(folder)}
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{printable(folder)}: there is no such folder; `index` makes one") from None
    if not found:
        raise UserError(f"{printable(folder)} is no store of people: it has no files people-*.parquet")
    return found


def _fragments_in(folder: Path) -> Iterator[tuple[Place, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if (place := Place.of(entry.name)) is not None:
                yield place, entry


def _identity(entry: os.DirEntry[str]) -> Identity:
    try:
        found = entry.stat()
    except FileNotFoundError:  # a link to nothing, or deleted meanwhile: opening it will tell
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _open_all(folder: Path) -> dict[Place, OpenFragment]:
    """Open all files of one state: no file came, went or changed between the first and the last of them."""
    opened = dict[Place, tuple[Identity, OpenFragment]]()
    try:
        for _ in range(ATTEMPTS):
            before = listing(folder)
            for place in [place for place, (identity, _) in opened.items() if before.get(place) != identity]:
                opened.pop(place)[1].close()
            try:
                for place, identity in before.items():
                    if place not in opened:
                        opened[place] = (identity, OpenFragment(folder / place.name, place))
            except FileNotFoundError:
                continue
            if listing(folder) == before:
                return {place: opened[place][1] for place in sorted(opened)}
        raise UserError(f"{printable(folder)} changes all the time: try again")
    except BaseException:
        for _, one in opened.values():
            one.close()
        raise


def _common_about(opened: dict[Place, OpenFragment]) -> About:
    first, *others = opened.values()
    for other in others:
        if other.about != first.about:
            raise UserError(
                f"{printable(other.path)} is of another store than {first.path.name}: move it away"
            )
    return first.about
