"""The work of `person-search index`."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from commands.printing import print_line, say
from person_search.index.building import Built, IndexBuilder, batches_of, frames_known, to_do
from person_search.index.schema import About, Dtype
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from person_search.networks.loading import load_search_network
from person_search.networks.network import SearchNetwork
from person_search.sources.cameras import Cameras
from person_search.sources.frames import source_text
from person_search.sources.loading import load_frames
from person_search.sources.moments import interval
from person_search.sources.places import listed
from person_search.sources.times import zone_named
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.basics.launchers import launch
from pipeline.inference.own_pictures.printable import printable
from stages.support.running import ShownProgress


def build(
    sources: Sequence[Path],
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
        UserError: an option is no good, there is nothing to index, or the index is of another network.
    """
    started = time.monotonic()
    zone = zone_named(timezone)
    cameras = Cameras(camera, camera_from, time_format, zone)
    distance = None if every is None else interval(every)
    launched = launch()
    if prune and launched.ranks > 1:
        raise UserError("--prune: call it in one process, before or after the others")
    listing = listed([str(source) for source in sources], say)
    network = None if _is_of(out, weights) else load_search_network(weights)
    store = PeopleStore.create(out, _about(network, weights, dtype)) if network else PeopleStore.open(out)
    batches = batches_of(listing.items, batch_size)[launched.rank :: launched.ranks]
    with store.writing(launched.rank, launched.ranks) as writer:
        known = writer.sources()
        wanted = to_do(batches, known)
        items = [item for batch in wanted for item in batch]
        after = {item.source: last for item in items if (last := frames_known(item, known)) is not None}
        built = Built()
        if items:  # importing PyTorch takes seconds: not where nothing is to be done
            network = network or load_search_network(weights)
            store.about.check(_about(network, weights, dtype), out)
            builder = IndexBuilder(writer, network, batch_size=batch_size, min_score=min_score, say=say)
            built = builder.built
            loaded = load_frames(
                items, every=distance, cameras=cameras, zone=zone, after=after, workers=workers, say=say
            )
            with closing(loaded), ShownProgress("index") as progress:
                for done, _item in enumerate(builder.build(wanted, loaded), start=1):
                    progress(done, len(items))
        gone = {source for source in writer.sources() if listing.lacks(source)} if prune else set()
        forgotten = writer.prune(writer.sources().keys() - gone) if gone else None
    print_line(f"{printable(out)}: {_said(built, sum(map(len, batches)) - len(items))}")
    if forgotten is not None:
        print_line(
            f"forgotten: {len(forgotten.sources):,} sources that are gone, {forgotten.people:,} people"
        )
    _say_time(built, time.monotonic() - started)


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
        sources: files as they are named now, addresses, or patterns with `*`; empty for any.
        cameras: names; empty for any.
        after: seen at or after this time; None for any.
        before: seen before this time; None for any.

    Raises:
        UserError: nothing is said of whom to remove, or it is no index.
    """
    patterns = [_pattern(source) for source in sources]
    where = Selection(sources=patterns, cameras=cameras, after=after, before=before)
    if where.selects_all:
        raise UserError("--remove: say whom, by SOURCES, --camera, --after, --before or --older-than")
    removed = PeopleStore.open(out).remove(where)
    print_line(f"{printable(out)}: {removed.people:,} people of {len(removed.sources):,} sources removed")


def _pattern(source: str) -> str:
    """Return what selects a source: a folder means all below it, a pattern and an address themselves."""
    if "://" in source or any(sign in source for sign in "*?["):
        return source
    path = Path(source)
    return f"{source_text(path)}/*" if path.is_dir() else source_text(path)


def _is_of(out: Path, weights: Path) -> bool:
    """Tell whether an index is there, and was made with these weights.

    Raises:
        UserError: it was made with others, or is damaged.
    """
    if not out.is_dir() or not any(out.iterdir()):
        return False
    about = PeopleStore.open(out).about
    about.check(replace(about, model_hash=sha256_of(weights)), out)
    return True


def _about(network: SearchNetwork, weights: Path, dtype: Dtype) -> About:
    return About(
        network.file_hash,
        network.embedding_dim,
        network.preprocessing,
        dtype,
        weights=source_text(weights),
    )


def _said(built: Built, unchanged: int) -> str:
    done = f"{built.people:,} people in {built.frames:,} frames of {built.sources:,} new or changed sources"
    kept = f"; {unchanged:,} unchanged" if unchanged else ""
    gaps = f"; {built.passed_over:,} could not be read (whole)" if built.passed_over else ""
    return f"{done}{kept}{gaps}"


def _say_time(built: Built, seconds: float) -> None:
    if built.frames:
        rate = f"{built.frames / seconds:.1f} frames a second"
        say(f"{seconds:.1f} s, {rate}; the network took {built.network_seconds:.1f} s of it")
