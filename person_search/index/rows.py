"""The people of a commit, as arrays or as a table, and their checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from person_search.index.arrays import numbers
from person_search.index.schema import BOX, About, schema_of

Floats = npt.NDArray[np.float32]
UNIT_TOLERANCE = 1e-2
"""How far an embedding's length may be from 1; rounding to float16 changes it by less than 0.001."""


@dataclass(frozen=True)
class PeopleRows:
    """N people as arrays.

    Attributes:
        source: `[N]` the file as text, or a stream's address.
        frame: `[N]` the frame's number in a video, 0 for a picture.
        time: `[N]` with time zones, or None.
        camera: `[N]` names, or None.
        boxes: `[N, 4]` x1 y1 x2 y2 in pixels of the source.
        scores: `[N]` 0..1.
        embeddings: `[N, D]` of unit length.
    """

    source: Sequence[str]
    frame: Sequence[int] | npt.NDArray[np.integer[Any]]
    time: Sequence[datetime | None]
    camera: Sequence[str | None]
    boxes: Floats
    scores: Floats
    embeddings: Floats

    def table(self, about: About) -> pa.Table:
        """Return them as the table of a store.

        Raises:
            ValueError: the arrays' lengths differ, or a time has no time zone.
        """
        if any(moment is not None and moment.tzinfo is None for moment in self.time):
            raise ValueError("a time has no time zone")
        boxes = np.asarray(self.boxes, dtype=np.float32).reshape(-1, len(BOX))
        columns = [
            pa.array(self.source, pa.string()),
            pa.array(np.asarray(self.frame), pa.int32()),
            pa.array(self.time, pa.timestamp("us", "UTC")),
            pa.array(self.camera, pa.string()),
            *(pa.array(np.ascontiguousarray(boxes[:, place])) for place in range(len(BOX))),
            pa.array(np.asarray(self.scores, dtype=np.float32)),
            embedding_column(np.asarray(self.embeddings), about),
        ]
        return pa.table(columns, schema=schema_of(about))


def embedding_column(embeddings: npt.NDArray[np.floating[Any]], about: About) -> pa.Array:
    """Return embeddings `[N, D]` as the column of a store, rounded to its dtype.

    Raises:
        ValueError: D is not the store's.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != about.embedding_dim:
        raise ValueError(f"embeddings {list(embeddings.shape)}: the store's are [N, {about.embedding_dim}]")
    values = np.ascontiguousarray(embeddings, dtype=about.dtype).reshape(-1)
    kind = schema_of(about).field("embedding").type
    flat = pa.Array.from_buffers(kind.value_type, len(values), [None, pa.py_buffer(values)])
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def embeddings_of(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return the column of embeddings as `[N, D]`, in the width in which it is kept."""
    width, kind = column.type.list_size, column.type.value_type.to_pandas_dtype()
    return numbers(column.combine_chunks().flatten(), kind).reshape(-1, width)


def checked_table(rows: PeopleRows | pa.Table, about: About) -> pa.Table:
    """Return people as the table of a store, by source and frame, and in the order given within a frame.

    Raises:
        ValueError: a column is missing, a value is missing, of another type or no finite number, or an
            embedding is not of unit length: no user can cause that.
    """
    table = rows.table(about) if isinstance(rows, PeopleRows) else _as_kept(rows, about)
    for name in schema_of(about).names:
        column = table.column(name)
        if column.null_count and name not in ("time", "camera"):
            raise ValueError(f"people without a {name}")
    for name in (*BOX, "score"):
        if not pc.all(pc.is_finite(table.column(name))).as_py() and len(table):
            raise ValueError(f"a person's {name} is no finite number")
    if len(table) and pc.min(table.column("frame")).as_py() < 0:
        raise ValueError("a frame has a number below 0")
    embeddings = embeddings_of(table.column("embedding")).astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    if not np.all(np.abs(lengths - 1) <= UNIT_TOLERANCE):
        raise ValueError("an embedding is not of unit length")
    # Arrow's sort is stable, and compares texts as Python does: by code points.
    order = pc.sort_indices(table, sort_keys=[("source", "ascending"), ("frame", "ascending")])
    return table.take(order)


def _as_kept(table: pa.Table, about: About) -> pa.Table:
    schema = schema_of(about)
    if missing := [name for name in schema.names if name not in table.column_names]:
        raise ValueError(f"people without columns {', '.join(missing)}")
    if table.column("embedding").null_count:
        raise ValueError("people without an embedding")
    columns = [
        embedding_column(embeddings_of(table.column(name)), about)
        if name == "embedding"
        else table.column(name).cast(schema.field(name).type)
        for name in schema.names
    ]
    return pa.table(columns, schema=schema)
