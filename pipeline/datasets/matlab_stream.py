"""Reading a large MATLAB struct array element by element, in the memory of one element.

CUHK-SYSU's largest gallery file holds 11.6 million small structs. Loaded at once, each becomes four numpy
objects, more than 10 GB in all. This module walks the outermost array by the public "MAT-File Format" (level
5): 128 bytes of header, then data elements of type, byte count and content. Each field of each struct is a
data element too; scipy decodes it, as a file of one variable, or `matlab_records.py` in bulk.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.matlab import MatValue, load, one_line, structs
from pipeline.datasets.matlab_elements import (
    CLASS_MASK,
    MI_MATRIX,
    STRUCT_CLASS,
    TAG_BYTES,
    TOO_EARLY,
    Undecoded,
    decoded,
)

HEADER_BYTES = 128
ENDIAN_OFFSET = 126
MI_COMPRESSED = 15
CHUNK_BYTES = 1 << 16


class _Inflated:
    """The decompressed content of one compressed data element, read forwards."""

    def __init__(self, file: BinaryIO, compressed_bytes: int) -> None:
        self._file = file
        self._left = compressed_bytes
        self._inflate = zlib.decompressobj()
        self._buffer = bytearray()

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count and self._left > 0:
            chunk = self._file.read(min(CHUNK_BYTES, self._left))
            if not chunk:
                break
            self._left -= len(chunk)
            self._buffer += self._inflate.decompress(chunk)
        content = bytes(self._buffer[:count])
        del self._buffer[:count]
        return content


class _Walker:
    """Reads data elements from a stream, in the byte `order` of the file ("<" or ">")."""

    def __init__(self, stream: BinaryIO | _Inflated, order: str) -> None:
        self._stream = stream
        self._order = order

    def take(self, count: int) -> bytes:
        content = self._stream.read(count)
        if len(content) != count:
            raise EOFError(TOO_EARLY)
        return content

    def tag(self) -> tuple[int, int]:
        kind, size = struct.unpack(self._order + "II", self.take(TAG_BYTES))
        return kind, size

    def small(self) -> bytes:
        """Return the content of a data element that is no array."""
        head = self.take(TAG_BYTES)
        (first,) = struct.unpack(self._order + "I", head[:4])
        # The compact form has byte count and type in one word, then up to 4 bytes of content. The usual form
        # has type and byte count in a word each, then the content, padded to a multiple of 8 bytes.
        if first >> 16:
            return head[4 : 4 + (first >> 16)]
        (size,) = struct.unpack(self._order + "I", head[4:])
        return self.take(size + -size % TAG_BYTES)[:size]

    def integers(self) -> tuple[int, ...]:
        content = self.small()
        return struct.unpack(f"{self._order}{len(content) // 4}i", content)


def stream_structs(
    path: Path, variable: str, undecoded: Collection[str] = (), progress: Progress | None = None
) -> Iterator[dict[str, MatValue | Undecoded]]:
    """Yield the elements of the struct array `variable` one at a time, as values by field name.

    Files of other formats, and variables of other types, are read whole by scipy.

    Args:
        path: the file.
        variable: the name of the struct array.
        undecoded: fields that are given as bytes, where the file is not read whole.
        progress: called after each element with the bytes read, and with all bytes of the file.

    Raises:
        UserError: the file is missing, damaged, or has no such variable.
    """
    with damage_named(path), path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        mark = header[ENDIAN_OFFSET:HEADER_BYTES]
        order = {b"IM": "<", b"MI": ">"}.get(mark)
        found = _find(file, order, variable) if order else None
        if order and found:
            size = path.stat().st_size
            for element in _elements(*found, header, order, undecoded):
                yield element
                if progress:
                    progress(file.tell(), size)
            return
    for element in structs(load(path, variable)):
        yield {name: element[name] for name in element.dtype.names}


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raise `UserError` with a file's name where the file is missing, cannot be read, or is damaged."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or one_line(error)}") from None
    except (EOFError, ValueError, struct.error, zlib.error) as error:
        raise UserError(f"{path} is damaged: {one_line(error)}") from None


def _find(file: BinaryIO, order: str, variable: str) -> tuple[_Walker, int] | None:
    """Return a walker placed behind the struct array's name, and the array's length; None without one."""
    while len(head := file.read(TAG_BYTES)) == TAG_BYTES:
        kind, size = struct.unpack(order + "II", head)
        after = file.tell() + size
        if kind == MI_COMPRESSED:
            walker = _Walker(_Inflated(file, size), order)
            kind, _ = walker.tag()
        else:
            walker = _Walker(file, order)
        if kind != MI_MATRIX:
            return None
        flags, dimensions, name = walker.small(), walker.integers(), walker.small()
        if name == variable.encode():
            mx_class = struct.unpack(order + "I", flags[:4])[0] & CLASS_MASK
            return (walker, math.prod(dimensions)) if mx_class == STRUCT_CLASS else None
        file.seek(after)
    return None


def _elements(
    walker: _Walker, length: int, header: bytes, order: str, undecoded: Collection[str]
) -> Iterator[dict[str, MatValue | Undecoded]]:
    """Yield the elements of a struct array, whose field names come first, at a fixed width."""
    (width,) = walker.integers()
    packed = walker.small()
    names = [packed[i : i + width].split(b"\0")[0].decode() for i in range(0, len(packed), width)]
    for _ in range(length):
        yield {name: _value(walker, header, order, name in undecoded) for name in names}


def _value(walker: _Walker, header: bytes, order: str, undecoded: bool) -> MatValue | Undecoded:
    """Return one field's value, decoded by scipy, or its bytes."""
    kind, size = walker.tag()
    if kind != MI_MATRIX:
        raise ValueError(f"data type {kind} in a struct")
    if size == 0:
        return np.empty((0, 0))
    content = walker.take(size)
    return Undecoded(content, header, order) if undecoded else decoded(content, header, order)
