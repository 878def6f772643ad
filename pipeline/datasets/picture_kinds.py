"""The kind of picture or video in a file, by the file's first bytes and its name."""

from pathlib import PurePath
from typing import BinaryIO

from PIL import Image

READ_FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "TIFF",
    "BMP",
    "DIB",
    "GIF",
    "AVIF",
    "JPEG2000",
    "PPM",
    "QOI",
    "PSD",
    "DDS",
    "SGI",
    "PCX",
    "SUN",
)
"""The formats that are read, by Pillow's names: formats of photographs that the first bytes identify.

EPS is left out, since Pillow runs another program on it; icons and fonts are left out too.
"""
HEAD = 64
"""How many of a file's first bytes identify its kind."""
HEIC, RAW, VIDEO = "HEIC", "a camera's raw format", "video"
UNREAD_SUFFIXES = {
    HEIC: ".heic .heif .hif .heics .heifs",
    "AVIF": ".avif .avifs",
    "JPEG XL": ".jxl",
    "SVG": ".svg .svgz",
    "EPS": ".eps",
    RAW: ".3fr .arw .cr2 .cr3 .crw .dng .erf .iiq .mef .mos .mrw .nef .nrw .orf .pef .raf .rw2 .rwl .sr2 "
    ".srf .srw .x3f",
    VIDEO: ".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .webm .wmv",
}
BRANDS = {
    HEIC: (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
    RAW: (b"crx ",),
}
"""The four bytes behind `ftyp` in files with the structure of MP4."""
SIGNATURES = {
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "EPS": (b"%!PS-Adobe", b"\xc5\xd0\xd3\xc6"),
    VIDEO: (b"\x1aE\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba", b"0&\xb2u\x8ef\xcf\x11"),
}


def opened(file: BinaryIO) -> Image.Image:
    """Open a picture of one of `READ_FORMATS`. Raises whatever Pillow raises."""
    Image.init()
    return Image.open(file, formats=[name for name in READ_FORMATS if name in Image.OPEN])


def unread_kind(head: bytes) -> str | None:
    """Return the kind of a picture or video that cannot be read, by its first bytes; None for other files."""
    if head[4:8] == b"ftyp":
        return next((kind for kind, brands in BRANDS.items() if head[8:12] in brands), VIDEO)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return VIDEO
    return next((kind for kind, starts in SIGNATURES.items() if head.startswith(starts)), None)


def kind_by_suffix(name: str) -> str | None:
    """Return the kind of a picture or video that cannot be read, by its suffix; None for other names."""
    suffix = PurePath(name).suffix.lower()
    return next((kind for kind, suffixes in UNREAD_SUFFIXES.items() if suffix in suffixes.split()), None)
