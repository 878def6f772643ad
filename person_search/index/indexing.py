"""From sources to an index: what is new is searched for people and kept, what is gone may be forgotten."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from fractions import Fraction
from pathlib import Path

from person_search.index.building import Built, IndexBuilder, batches_of, frames_known, to_do
from person_search.index.coverage import SourceState
from person_search.index.schema import About, Dtype
from person_search.index.store import PeopleStore
from person_search.index.writer import Removed, StoreWriter
from person_search.networks.loading import model_hash_of
from person_search.networks.network import SearchNetwork
from person_search.sources.cameras import Cameras
from person_search.sources.frames import source_text
from person_search.sources.loading import LoadedFrames, load_frames
from person_search.sources.places import Item, Listing, listed
from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.inference.own_pictures.printable import printable

Say = Callable[[str], None]


@dataclass(frozen=True)
class IndexOptions:
    """How sources are indexed.

    Attributes:
        every: of videos and streams, take the first frame of each so many seconds; None for all frames.
        cameras: names the cameras of files.
        zone: of times that do not tell their own.
        min_score: people that are less sure, 0..1, are not kept.
        dtype: how the embeddings of a new index are kept.
        batch_size: pictures, or frames of a video, in a commit.
        workers: processes that read pictures; None for as many as fit the machine.
        prune: whether files below the sources that are gone are forgotten.
        rank: which of several processes this is that share the sources.
        ranks: how many there are.
    """

    every: Fraction | None = None
    cameras: Cameras = field(default_factory=Cameras)
    zone: tzinfo = UTC
    min_score: float = 0.3
    dtype: Dtype = "float16"
    batch_size: int = 16
    workers: int | None = None
    prune: bool = False
    rank: int = 0
    ranks: int = 1


@dataclass(frozen=True)
class Indexed:
    """What indexing did.

    Attributes:
        built: frames, people and sources.
        unchanged: how many sources were known already.
        forgotten: what was pruned; None where nothing was to be.
    """

    built: Built
    unchanged: int
    forgotten: Removed | None = None


def index_sources(
    sources: Sequence[str | Path],
    out: Path,
    weights: Path,
    load: Callable[[], SearchNetwork],
    options: IndexOptions,
    *,
    say: Say,
    progress: Progress,
) -> Indexed:
    """Index sources.

    Args:
        sources: pictures, videos, folders, cameras and addresses; see `listed`.
        out: folder of the index; it is made.
        weights: file of the network.
        load: loads the network. It is not called where nothing is new, since PyTorch takes seconds.
        options: see there.
        say: called with a line about each source that is passed over.
        progress: progress in sources.

    Raises:
        UserError: a source is missing, the index is of another network, or all of a folder would be pruned.
        OSError: the index cannot be written; what is committed stays.
    """
    if options.prune and options.ranks > 1:
        raise UserError("--prune: call it in one process, before or after the others")
    listing = listed(sources, say)
    batches = batches_of(listing.items, options.batch_size)[options.rank :: options.ranks]
    frames, network = None, None
    with ExitStack() as stack:
        if _is_of(out, weights):
            store = PeopleStore.open(out)
        else:
            frames = stack.enter_context(closing(_frames(batches, {}, options, say)))  # none is known
            network = load()
            store = PeopleStore.create(out, about_of(network, weights, options.dtype))
        writer = stack.enter_context(store.writing(options.rank, options.ranks))
        known = writer.sources()
        wanted = to_do(batches, known)
        count = sum(map(len, wanted))
        built = Built()
        if wanted:
            if frames is None or wanted != batches:
                frames = stack.enter_context(closing(_frames(wanted, known, options, say)))
            network = network or load()
            store.about.check(about_of(network, weights, store.about.dtype), out)
            built = _build(writer, network, wanted, frames, options, say, progress)
        forgotten = _pruned(writer, listing) if options.prune else None
    return Indexed(built, sum(map(len, batches)) - count, forgotten)


def about_of(network: SearchNetwork, weights: Path, dtype: Dtype) -> About:
    """Return what the embeddings of a network have in common."""
    text = source_text(weights)
    return About(network.model_hash, network.embedding_dim, network.preprocessing, dtype, weights=text)


def _is_of(out: Path, weights: Path) -> bool:
    """Tell whether an index is there that was made with these weights.

    Raises:
        UserError: it was made with others, or is damaged.
    """
    if not out.is_dir() or not any(out.iterdir()):
        return False
    about = PeopleStore.open(out).about
    about.check(replace(about, model_hash=model_hash_of(weights)), out)
    return True


def _frames(
    batches: Sequence[Sequence[Item]], known: Mapping[str, SourceState], options: IndexOptions, say: Say
) -> LoadedFrames:
    """Start to load what is not known of the items in batches, while PyTorch is imported."""
    items = [item for batch in batches for item in batch]
    last = {item.source: frames_known(item, known) for item in items}
    return load_frames(
        items,
        every=options.every,
        cameras=options.cameras,
        zone=options.zone,
        after={source: frame for source, frame in last.items() if frame is not None},
        workers=options.workers,
        say=say,
    )


def _build(
    writer: StoreWriter,
    network: SearchNetwork,
    batches: Sequence[Sequence[Item]],
    frames: LoadedFrames,
    options: IndexOptions,
    say: Say,
    progress: Progress,
) -> Built:
    builder = IndexBuilder(
        writer, network, batch_size=options.batch_size, min_score=options.min_score, say=say
    )
    count = sum(map(len, batches))
    for done, _item in enumerate(builder.build(batches, frames), start=1):
        progress(done, count)
    return builder.built


def _pruned(writer: StoreWriter, listing: Listing) -> Removed | None:
    known = writer.sources().keys()
    gone = {source for source in known if listing.lacks(source)}
    if empty := listing.empty_above(gone):
        raise UserError(
            f"--prune: nothing is left in {printable(empty)}, so nothing was forgotten (is a disk not "
            "there?); if that is meant, `--remove` forgets it"
        )
    return writer.prune(known - gone) if gone else None
