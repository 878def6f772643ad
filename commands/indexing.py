"""The work of `person-search index`."""

import os
import time
from collections.abc import Sequence
from datetime import datetime
from glob import escape
from os.path import normpath
from pathlib import Path

from commands.networks import load_network
from commands.printing import print_line, say
from person_search.index.arrays import is_there
from person_search.index.building import Built
from person_search.index.indexing import IndexOptions, index_sources
from person_search.index.schema import Dtype
from person_search.index.selection import COLUMNS, Selection, check_times
from person_search.index.store import PeopleStore
from person_search.sources.addresses import WEBCAM
from person_search.sources.cameras import Cameras
from person_search.sources.frames import source_text
from person_search.sources.moments import interval
from person_search.sources.times import zone_named
from pipeline.basics.errors import UserError
from pipeline.basics.launchers import launch
from pipeline.inference.own_pictures.printable import printable
from stages.support.running import ShownProgress


def build(
    sources: Sequence[str],
    out: Path,
    weights: Path,
    *,
    every: str | None,
    camera: str | None,
    camera_from: str | None,
    time_format: str | None,
    timezone: str,
    min_score: float,
    dtype: Dtype,
    batch_size: int,
    workers: int | None,
    prune: bool,
) -> None:
    """Index sources, and say in one line what was done; the arguments are the command's options.

    Processes that a launcher has started share the sources, each with commits of its own.

    Raises:
        UserError: an option is no good, there is nothing to index, nothing of it could be read, or the index
            is of another network.
    """
    started, launched, zone = time.monotonic(), launch(), zone_named(timezone)
    options = IndexOptions(
        every=None if every is None else interval(every),
        cameras=Cameras(camera, camera_from, time_format, zone),
        zone=zone,
        min_score=min_score,
        dtype=dtype,
        batch_size=batch_size,
        workers=workers,
        prune=prune,
        rank=launched.rank,
        ranks=launched.ranks,
    )
    with ShownProgress("index") as progress:
        done = index_sources(
            sources,
            out,
            weights,
            lambda: load_network(weights),
            options,
            say=say,
            progress=progress,
        )
    print_line(f"{printable(out)}: {_said(done.built, done.unchanged)}")
    if done.forgotten is not None:
        gone = done.forgotten
        print_line(f"forgotten: {len(gone.sources):,} sources that are gone, {gone.people:,} people")
    _say_time(done.built, time.monotonic() - started)
    something = done.built.frames or done.built.sources or done.unchanged
    if launched.ranks == 1 and not something:
        if done.built.passed_over:
            raise UserError("nothing of the sources could be read; the warnings above say why")
        raise UserError("there is no picture or video in the sources; give others")


def remove_people(
    out: Path,
    sources: Sequence[str],
    cameras: Sequence[str],
    after: datetime | None,
    before: datetime | None,
) -> None:
    """Remove people from an index, and say how many.

    Args:
        out: the index.
        sources: files and folders, addresses, or patterns with `*`; empty for any.
        cameras: names; empty for any.
        after: seen at or after this time; None for any.
        before: seen before this time; None for any.

    Raises:
        UserError: nothing is said of whom to remove, no time is asked for that there is, there is no camera
            of a name, nothing fits the sources, or it is no index.
    """
    check_times(after, before)
    patterns = [pattern for source in sources for pattern in _patterns(source)]
    where = Selection(sources=patterns, cameras=cameras, after=after, before=before)
    if where.selects_all:
        raise UserError("--remove: say whom, by SOURCES, --camera, --after, --before or --older-than")
    store = PeopleStore.open(out)
    if cameras and (missing := set(cameras) - _cameras(store)):
        raise UserError(f"nothing was removed: {printable(out)} has no camera {printable(min(missing))}")
    removed = store.remove(where)
    if sources and not removed.sources:
        raise UserError(
            f"nothing was removed: nothing in {printable(out)} fits {', '.join(map(printable, patterns))}"
            f"{' with that camera or time' if not where.by_source_alone else ''}"
        )
    print_line(f"{printable(out)}: {removed.people:,} people of {len(removed.sources):,} sources removed")
    if (after or before) and (kept := _without_time(store, Selection(sources=patterns, cameras=cameras))):
        say(
            f"warning: {kept:,} of the people there have no time, so they were kept: remove them by SOURCES "
            "or --camera"
        )


def _patterns(source: str) -> list[str]:
    """Return what selects a source: a folder means all below it; a pattern is looked for from here, but
    everywhere where it starts with `*`.

    Raises:
        UserError: it is empty, which Python takes for the current folder.
    """
    if not source:
        raise UserError("a source is empty (a shell's variable that is not set?); say whom to remove")
    if "://" in source or WEBCAM.fullmatch(source):
        return [source]
    path = Path(source)
    if not os.path.lexists(path) and set(source) & set("*?["):
        return [
            source if source.startswith(("*", "/")) else normpath(f"{escape(source_text(Path()))}/{source}")
        ]
    text = escape(source_text(path))  # a name may have a pattern's signs
    return [f"{text}/*"] if path.is_dir() else [text, f"{text}/*"]  # a folder may be gone


def _cameras(store: PeopleStore) -> set[str]:
    """Return the names of an index' cameras."""
    with store.snapshot() as snapshot:
        tables = [snapshot.read(place, ["camera"]) for place in snapshot.places()]
    return {camera for people in tables for camera in people.column("camera").unique().to_pylist() if camera}


def _without_time(store: PeopleStore, where: Selection) -> int:
    """Return how many people of a selection have no time."""
    with store.snapshot() as snapshot:
        tables = [snapshot.read(place, list(COLUMNS)) for place in snapshot.places()]
    return sum(int((where.mask(people) & ~is_there(people.column("time"))).sum()) for people in tables)


def _said(built: Built, unchanged: int) -> str:
    done = f"{built.people:,} people in {built.frames:,} frames of {built.sources:,} new or changed sources"
    kept = f"; {unchanged:,} unchanged" if unchanged else ""
    gaps = f"; {built.passed_over:,} could not be read (whole)" if built.passed_over else ""
    return f"{done}{kept}{gaps}"


def _say_time(built: Built, seconds: float) -> None:
    if built.frames:
        rate = f"{built.frames / seconds:.1f} frames a second"
        say(f"{seconds:.1f} s, {rate}; the network took {built.network_seconds:.1f} s of it")
