"""Data elements of a MATLAB file (level 5): type, byte count and content, aligned to 8 bytes."""

import io
import struct
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat

from pipeline.datasets.matlab import one_line

TAG_BYTES = 8
MI_INT8 = 1
MI_MATRIX = 14
STRUCT_CLASS = 2
CLASS_MASK = 0xFF
TOO_EARLY = "it ends too early"
NAME = b"x"
"""The name that a field gets as a variable of its own file; at most 4 bytes."""


class Data(NamedTuple):
    """A data element: its `kind`, where its bytes `start`, their number `size`, and where the `next` is."""

    kind: int
    start: int
    size: int
    next: int


class Undecoded(NamedTuple):
    """A MATLAB array as its bytes: `content`, without its tag, and the file's `header` and byte `order`."""

    content: bytes
    header: bytes
    order: str

    def value(self) -> Any:
        """Decode the array with scipy."""
        return decoded(self.content, self.header, self.order)


def data(content: bytes, at: int, order: str) -> Data:
    """Return the data element that begins at a place. Raises `EOFError` where the content ends within it."""
    if at + TAG_BYTES > len(content):
        raise EOFError(TOO_EARLY)
    first, second = struct.unpack_from(order + "II", content, at)
    if first >> 16:  # the compact form: byte count and type in one word, then up to 4 bytes
        return Data(first & 0xFFFF, at + TAG_BYTES // 2, first >> 16, at + TAG_BYTES)
    end = at + TAG_BYTES + second
    if (padded := end + -second % TAG_BYTES) > len(content):
        raise EOFError(TOO_EARLY)
    return Data(first, at + TAG_BYTES, second, padded)


def after(content: bytes, at: int, order: str) -> int:
    """Return where the data element behind the one at a place begins."""
    return data(content, at, order).next


def decoded(content: bytes, header: bytes, order: str) -> Any:
    """Return an array's value, decoded by scipy as a file with one variable.

    An array in a struct has an empty name, which scipy does not read as a variable. `NAME` is put in its
    place: in the compact form it takes the 8 bytes of the empty name's tag, so the byte count stays right.

    Raises:
        ValueError, EOFError: the array has a name, or is damaged.
    """
    start = after(content, after(content, 0, order), order)  # behind flags and dimensions
    if data(content, start, order).size:
        raise ValueError("a named value in a struct")
    name = struct.pack(order + "I", len(NAME) << 16 | MI_INT8) + NAME.ljust(TAG_BYTES // 2, b"\0")
    tag = struct.pack(order + "II", MI_MATRIX, len(content))
    file = io.BytesIO(header + tag + content[:start] + name + content[start + TAG_BYTES :])
    try:
        return np.asarray(loadmat(file)[NAME.decode()])
    except Exception as error:  # damaged arrays hold any bytes, and scipy's decoders raise many types
        raise ValueError(one_line(error)) from None
