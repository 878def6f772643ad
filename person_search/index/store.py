"""A store of people: a folder of Parquet files that other programs read as it is.

store = PeopleStore.create(Path("people"), About(network.model_hash, network.embedding_dim))
with store.writing() as writer:
    writer.commit(rows, {source: SourceState(size, mtime_ns)})
with store.snapshot() as snapshot:
    people = snapshot.table()
"""

from collections.abc import Container, Mapping
from pathlib import Path

import pyarrow as pa

from person_search.index.coverage import SourceState
from person_search.index.fragments import Place, write_fragment
from person_search.index.rows import PeopleRows
from person_search.index.schema import About, schema_of
from person_search.index.selection import Selection
from person_search.index.snapshot import Snapshot
from person_search.index.writer import UNFINISHED, Removed, StoreWriter
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable


class PeopleStore:
    """A store of people on disk; `create` and `open` give one.

    Reading needs no lock: `snapshot` is one state of the store, whatever writers do. Several changes are
    best made with `writing`; `commit`, `remove` and `prune` lock the store for the one call.

    Attributes:
        path: the folder.
        about: what all its embeddings have in common.
    """

    def __init__(self, path: Path, about: About) -> None:
        self.path = path
        self.about = about

    @classmethod
    def create(cls, path: Path, about: About) -> "PeopleStore":
        """Make a store, or open the one that is there.

        Args:
            path: the folder; it is made. A first file without people says what the store is about.
            about: what all its embeddings will have in common.

        Raises:
            UserError: another store is there, or other files are.
            OSError: it cannot be written.
        """
        if path.exists() and not path.is_dir():
            raise UserError(f"{printable(path)} is a file: name a new folder, or a store of people")
        others = [one.name for one in path.iterdir() if not one.match(UNFINISHED)] if path.exists() else []
        if any(Place.of(name) for name in others):
            return cls.open(path, about)
        if others:
            raise UserError(
                f"{printable(path)} is no store of people; it has {printable(min(others))} in it: "
                "name a new folder"
            )
        write_fragment(path / Place(0).name, schema_of(about).empty_table(), {}, about)
        return cls(path, about)

    @classmethod
    def open(cls, path: Path, about: About | None = None) -> "PeopleStore":
        """Open a store.

        Args:
            path: the folder.
            about: what its embeddings must have in common; None takes any.

        Raises:
            UserError: it is no store, its embeddings are others, or a file is damaged.
            OSError: the system does not let it be read.
        """
        with Snapshot(path) as snapshot:
            own = snapshot.about
        if about is not None:
            own.check(about, path)
        return cls(path, own)

    def snapshot(self) -> Snapshot:
        """Return the store as it is now, for reading; raises what `open` raises."""
        return Snapshot(self.path)

    def writing(self, rank: int = 0, ranks: int = 1) -> StoreWriter:
        """Return the context manager that changes the store; see `StoreWriter`."""
        return StoreWriter(self.path, rank, ranks)

    def sources(self) -> dict[str, SourceState]:
        """Return the state of each source that was read, those without people among them."""
        with self.snapshot() as snapshot:
            return snapshot.sources()

    def commit(
        self,
        rows: PeopleRows | pa.Table,
        sources: Mapping[str, SourceState],
        continues: Mapping[str, int] | None = None,
    ) -> None:
        """Take in sources and their people; see `StoreWriter.commit`."""
        with self.writing() as writer:
            writer.commit(rows, sources, continues)

    def remove(self, where: Selection) -> Removed:
        """Remove people; see `StoreWriter.remove`."""
        with self.writing() as writer:
            return writer.remove(where)

    def prune(self, existing: Container[str]) -> Removed:
        """Forget sources that do not exist any more; see `StoreWriter.prune`."""
        with self.writing() as writer:
            return writer.prune(existing)
