"""Arrow's arrays as NumPy's and back, through the memory that both share.

Arrow's own conversions import pandas where it is installed, which takes longer than a search, and go through
float16 number by number.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def numbers(column: pa.Array | pa.ChunkedArray, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the numbers of a column `[N]`; where one is missing there is any.

    Args:
        column: numbers or times.
        kind: the NumPy type of the same width.
    """
    kind = np.dtype(kind)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    arrays = [
        np.frombuffer(chunk.buffers()[1], kind, count=len(chunk), offset=chunk.offset * kind.itemsize)
        for chunk in chunks
        if len(chunk)
    ]
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.empty(0, kind), *arrays])


def is_there(column: pa.Array | pa.ChunkedArray) -> Mask:
    """Return `[N]`, where a value is not missing."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    masks = [np.ones(0, dtype=np.bool_)]
    for chunk in chunks:
        bits = chunk.buffers()[0]
        if bits is None or not chunk.null_count:
            masks.append(np.ones(len(chunk), dtype=np.bool_))
            continue
        flags = np.unpackbits(
            np.frombuffer(bits, np.uint8), count=chunk.offset + len(chunk), bitorder="little"
        )
        masks.append(flags[chunk.offset :].view(np.bool_))
    return np.concatenate(masks)


def codes_of(texts: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Return `[N]`, the place of each text in its dictionary; -1 where it is missing."""
    codes = numbers(texts.indices, texts.indices.type.to_pandas_dtype()).astype(np.int64)
    return np.where(is_there(texts.indices), codes, -1)


def flags(mask: Mask) -> pa.BooleanArray:
    """Return a mask `[N]` for `filter`."""
    packed = np.packbits(mask, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, pa.py_buffer(packed)])


def places(rows: Rows) -> pa.Int64Array:
    """Return numbers of rows `[K]` for `take`."""
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))])


def microseconds(moment: datetime) -> int:
    """Return a time as the column holds it: microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(value: int) -> datetime:
    """Return the time, in UTC, that the column holds as a number."""
    return EPOCH + value * MICROSECOND
