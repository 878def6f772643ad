"""Writing MATLAB files of millions of small structs, by the public "MAT-File Format" (level 5).

scipy's writer would take minutes for a gallery file of CUHK-SYSU; here an entry is bytes that are repeated.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

MI_INT8, MI_UINT8, MI_UINT16, MI_INT32, MI_UINT32, MI_MATRIX, MI_COMPRESSED, MI_UTF8 = (
    1,
    2,
    4,
    5,
    6,
    14,
    15,
    16,
)
STRUCT, CHAR, UINT16 = 2, 4, 11
FIELD_BYTES = 32
"""Width of a struct's field names, as MATLAB writes them."""
HEADER = b"MATLAB 5.0 MAT-file, written by a benchmark".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def element(kind: int, content: bytes) -> bytes:
    """Return a data element: type, byte count and content, in the compact form where it fits."""
    if 0 < len(content) <= 4:
        return struct.pack("<I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def matrix(mx_class: int, rows: int, columns: int, body: bytes, name: str = "") -> bytes:
    """Return an array with its tag; `body` is what follows its name."""
    flags = element(MI_UINT32, struct.pack("<II", mx_class, 0))
    dimensions = element(MI_INT32, struct.pack("<ii", rows, columns))
    content = flags + dimensions + element(MI_INT8, name.encode()) + body
    return struct.pack("<II", MI_MATRIX, len(content)) + content


def text(value: str, wide: bool = False) -> bytes:
    """Return a line of ASCII characters as an array, a byte each, or two if `wide`."""
    content = value.encode("utf-16-le") if wide else value.encode("ascii")
    return matrix(CHAR, 1, len(value), element(MI_UINT16 if wide else MI_UTF8, content))


def whole_numbers(values: Iterable[int]) -> bytes:
    """Return a line of numbers, 0 .. 65535, as an array; an empty one as MATLAB's `[]`."""
    values = list(values)
    content = struct.pack(f"<{len(values)}H", *values)
    return matrix(UINT16, 1 if values else 0, len(values), element(MI_UINT16, content))


def struct_body(fields: Iterable[str], elements: Iterable[bytes]) -> bytes:
    """Return the body of a struct array; an element is its fields' arrays, one after another."""
    names = b"".join(name.encode().ljust(FIELD_BYTES, b"\0") for name in fields)
    width = element(MI_INT32, struct.pack("<i", FIELD_BYTES))
    return width + element(MI_INT8, names) + b"".join(elements)


def struct_array(elements: Iterable[Mapping[str, bytes]]) -> bytes:
    """Return a `1 x N` struct array of fields that are arrays; N > 0."""
    elements = list(elements)
    bodies = (b"".join(one.values()) for one in elements)
    return matrix(STRUCT, 1, len(elements), struct_body(elements[0], bodies))


def write_structs(
    path: Path, variable: str, fields: Iterable[str], elements: Iterable[bytes], count: int
) -> None:
    """Write a compressed file of one `1 x count` struct array, element by element.

    The array's byte count is said to be what 32 bits hold: readers that walk it do not look at it.
    """
    flags = element(MI_UINT32, struct.pack("<II", STRUCT, 0))
    dimensions = element(MI_INT32, struct.pack("<ii", 1, count))
    head = flags + dimensions + element(MI_INT8, variable.encode()) + struct_body(fields, ())
    packer = zlib.compressobj(1)
    with path.open("wb") as file:
        file.write(HEADER + struct.pack("<II", MI_COMPRESSED, 0))
        start = file.tell()
        file.write(packer.compress(struct.pack("<II", MI_MATRIX, 0) + head))
        total = len(head)
        for one in elements:
            total += len(one)
            file.write(packer.compress(one))
        file.write(packer.flush())
        size = file.tell() - start
        file.seek(start - 4)
        file.write(struct.pack("<I", size))
