"""Odd picture files, built byte by byte."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

SIZE = (48, 32)
ORIENTATION, SOFTWARE, POSITIONING, VERSION, X_RESOLUTION = 0x0112, 0x0131, 0x0213, 0x9000, 0x011A
RESOLUTION_UNIT = 0x0128
TURNED_RIGHT = 6
ODD_ENTRIES = {
    "a fraction for a text": (SOFTWARE, 5, 1, struct.pack(">II", 1, 1)),
    "a negative enumeration": (POSITIONING, 9, 1, struct.pack(">i", -1)),
    "a double for bytes": (VERSION, 12, 1, struct.pack(">d", 2.3)),
    "a fraction over zero": (X_RESOLUTION, 10, 1, struct.pack(">ii", -1, 0)),
    "an unknown type": (SOFTWARE, 99, 4, b"abcd"),
    "a count beyond the end": (SOFTWARE, 2, 0x7FFFFFFF, b"\0\0\0\xff"),
    "a pointer beyond the end": (0x8769, 4, 1, b"\x7f\xff\xff\xff"),
    "a pointer to itself": (0x8769, 4, 1, b"\0\0\0\x08"),
}


def values(seed=0, size=SIZE):
    """Return a grey picture `[H, W]` that uses the whole range."""
    grey = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    grey[0, :2] = 0, 255
    return grey


def encoded(picture, kind, **settings):
    content = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(
        content, kind, **settings
    )
    return content.getvalue()


def exif_block(*entries):
    """Return a big-endian block that has these (tag, type, count, value) in their order."""
    table, data = struct.pack(">H", len(entries)), b""
    offset = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        table += struct.pack(">HHI", tag, kind, count)
        table += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(">I", offset + len(data))
        data += value if len(value) > 4 else b""
    return b"MM\0*" + struct.pack(">I", 8) + table + struct.pack(">I", 0) + data


def turned_block(*more):
    return exif_block(*sorted([(ORIENTATION, 3, 1, struct.pack(">H", TURNED_RIGHT)), *more]))


def with_exif(jpeg, block, *, jfif=True):
    """Return a JPEG with an EXIF block; Pillow looks into it at once where `jfif` is left out."""
    rest = jpeg[2:] if jfif else jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]
    block = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + rest


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with_exif(png, block, *, behind=False):
    """Return a PNG with an EXIF chunk before its pixels, or behind them."""
    place = len(png) - 12 if behind else 33
    return png[:place] + chunk(b"eXIf", block) + png[place:]


def deep_png(picture, colour_type):
    """Return a PNG of 16 bits a channel from values of that many; Pillow writes grey ones only."""
    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def plain_tiff(picture, bits, sample_format, *more):
    """Return an uncompressed TIFF of one channel, with further entries that fit in four bytes."""
    height, width = picture.shape
    data = picture.tobytes()
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, 1)),
        *((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, len(data))),
        *((339, 3, 1, sample_format), *more),
    ]
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    count = struct.pack("<H", len(entries))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + count + table + bytes(4)


def claimed(jpeg, width, height):
    """Return a JPEG whose header claims another size."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]
