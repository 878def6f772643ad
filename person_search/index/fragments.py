"""One file of a store: people, and which sources it covers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from person_search.index.coverage import Columns, Coverage, Covered, columns_of, coverage_of, to_json
from person_search.index.schema import About, about_of, schema_of
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

COVERAGE_KEY = b"person_search_sources"
"""The key of the file's metadata under which stands, as JSON, which sources it covers."""
NAME = re.compile(r"people-(\d{8,})(?:-(\d{4,}))?\.parquet")
TEXTS = ["source", "camera"]
WRITING: Mapping[str, Any] = {
    # Embeddings do not get smaller: no codec, no dictionary. Measured: docs/index.md.
    "compression": "none",
    "use_dictionary": TEXTS,
    "write_statistics": ["source", "frame", "time", "camera", "score"],
    "write_page_checksum": True,
}
ROWS_A_GROUP = 8192
"""So many people are decoded at a time: a reader's buffers stay small."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a fragment stands in the order of a store: the later, the newer.

    Attributes:
        number: counts up.
        rank: the process that wrote it, of several that write at once; such never cover the same source.
    """

    number: int
    rank: int = 0

    @property
    def name(self) -> str:
        """The file's name."""
        return f"people-{self.number:08d}{f'-{self.rank:04d}' if self.rank else ''}.parquet"

    @staticmethod
    def of(name: str) -> "Place | None":
        """Return the place that a file's name says, None for other files."""
        matched = NAME.fullmatch(name)
        if not matched:
            return None
        place = Place(int(matched[1]), int(matched[2] or 0))
        return place if place.name == name else None


@dataclass(frozen=True)
class Fragment:
    """What is known of one file without its people.

    Attributes:
        place: in the store's order.
        rows: how many people it has.
        columns: its coverage, as in the file.
    """

    place: Place
    rows: int
    columns: Columns

    @property
    def sources(self) -> Sequence[str]:
        """Sources that it covers; one is there twice if it covers separate parts of it."""
        return self.columns["source"]

    @cached_property
    def covers(self) -> dict[str, Covered]:
        """What it covers, by source."""
        return coverage_of(self.columns)

    @cached_property
    def weight(self) -> int:
        """How large it is: rows or sources, whichever are more."""
        return max(self.rows, len(self.sources))


class OpenFragment:
    """A fragment whose file is held open: what it reads stays, even where the file is replaced or deleted.

    Raises:
        UserError: it is damaged, or no part of a store.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, place: Place) -> None:
        self.path = path
        with naming(path):
            self._file = pa.OSFile(bytes(path))
        try:
            with naming(path):
                metadata = pq.read_metadata(self._file)
                schema = metadata.schema.to_arrow_schema()
            self.about = about_of(schema, path)
            with naming(path):
                self._parquet = pq.ParquetFile(
                    self._file, metadata=metadata, read_dictionary=TEXTS, page_checksum_verification=True
                )
        except BaseException:
            self._file.close()
            raise
        self._place = place

    @cached_property
    def fragment(self) -> Fragment:
        """What is known of the file; which sources it covers is read when it is asked for.

        Raises:
            UserError: it is damaged.
        """
        metadata = self._parquet.metadata
        with naming(self.path):
            columns = columns_of((metadata.metadata or {}).get(COVERAGE_KEY, b"null"))
        return Fragment(self._place, metadata.num_rows, columns)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Return its people, stale ones among them; sources and cameras as dictionaries.

        Raises:
            UserError: it is damaged.
        """
        with naming(self.path):
            return self._parquet.read(columns=columns, use_threads=False)

    def groups(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield its people as `read` gives them, some at a time, in their order.

        Raises:
            UserError: it is damaged.
        """
        for group in range(self._parquet.num_row_groups):
            with naming(self.path):
                table = self._parquet.read_row_group(group, columns=columns, use_threads=False)
            yield table

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def write_fragment(path: Path, table: pa.Table, coverage: Coverage, about: About) -> Fragment:
    """Write a file whole or not at all; the same content gives the same bytes.

    Args:
        path: `Place.name` in the store's folder.
        table: people.
        coverage: what it covers; it holds no people of other frames.
        about: the store's.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    text = to_json(coverage)
    memory = pa.BufferOutputStream()
    schema = schema_of(about)
    with pq.ParquetWriter(memory, schema, **WRITING) as writer:
        writer.write_table(table.cast(schema), row_group_size=ROWS_A_GROUP)
        writer.add_key_value_metadata({COVERAGE_KEY.decode(): text})
    write_atomically(path, memoryview(memory.getvalue()))
    place = Place.of(path.name)
    assert place is not None
    return Fragment(place, len(table), columns_of(text.encode()))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of a file's content name the file.

    Raises:
        UserError: the content is not what it should be.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"{printable(path)} is damaged: put it back from a copy, or delete it and index its sources again"
        ) from error
