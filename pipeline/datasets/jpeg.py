"""Reading and checking JPEG files: size, orientation, and whether the whole picture decodes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from pipeline.basics.errors import UserError
from pipeline.datasets.picture_kinds import HEAD, opened, unread_kind

MOST_PIXELS = 89_478_485
"""Most pixels of a data set's picture: above this Pillow warns in every process that decodes it."""
UPRIGHT = 1
ORIENTATIONS = range(1, 9)
START_OF_IMAGE, EXIF_SEGMENT = b"\xff\xd8", 0xE1
SEGMENTS_BEFORE_PIXELS = range(0xE0, 0xF0)

# Pillow logs details of bad files; without a handler, Python would print them on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnfitPictureError(UserError):
    """A picture that cannot be used, but is not broken: its format is another one, or it is too large."""


class JpegHeader(NamedTuple):
    """What a JPEG's header says: `size` (width, height) as stored, and the EXIF `orientation`, 1..8."""

    size: tuple[int, int]
    orientation: int


@contextmanager
def pillow_without_words() -> Iterator[None]:
    """Let Pillow open pictures of any size without a warning: the caller checks the size."""
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def orientation_of(image: Image.Image) -> int:
    """Return an opened picture's EXIF orientation, 1..8; 1 (upright) where none can be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # EXIF data may be any bytes, and Pillow's parser raises many types
        return UPRIGHT
    if isinstance(value, (tuple, bytes)) and value:
        value = value[0]
    return value if isinstance(value, int) and value in ORIENTATIONS else UPRIGHT


def without_exif(data: bytes) -> bytes:
    """Return a JPEG without its EXIF and XMP segments; other bytes as they are."""
    if not data.startswith(START_OF_IMAGE):
        return data
    kept, place = [START_OF_IMAGE], len(START_OF_IMAGE)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] in SEGMENTS_BEFORE_PIXELS:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] != EXIF_SEGMENT:
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


def jpeg_header(path: Path) -> JpegHeader:
    """Return size and orientation from a JPEG's header, without decoding it.

    Raises:
        UserError: the file is missing, unreadable, empty, no JPEG, or too large.
    """
    try:
        with path.open("rb") as file, pillow_without_words():
            try:
                with Image.open(file, formats=["JPEG"]) as image:
                    return JpegHeader(_fitting(image.size, str(path)), orientation_of(image))
            except UserError:
                raise
            except Exception:  # see `check_jpeg`
                file.seek(0)
                raise _no_jpeg(file.read(), str(path), " (or its beginning is damaged)") from None
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def jpeg_size(path: Path) -> tuple[int, int]:
    """Return width and height as stored; see `jpeg_header`."""
    return jpeg_header(path).size


def size_of_jpeg(data: bytes) -> tuple[int, int]:
    """Return width and height as stored of an encoded JPEG that is known to decode."""
    with pillow_without_words(), Image.open(BytesIO(data), formats=["JPEG"]) as image:
        return image.size


def check_jpeg(data: bytes, name: str) -> tuple[int, int]:
    """Decode a whole JPEG, at an eighth of its size for speed, and return its width and height.

    Args:
        data: the encoded image.
        name: its name in messages.

    Raises:
        UnfitPictureError: it is another format than JPEG, too large, or has EXIF data that Pillow fails on.
        UserError: it is empty, damaged, or cut off.
    """
    try:
        with pillow_without_words(), Image.open(BytesIO(data), formats=["JPEG"]) as image:
            size = _fitting(image.size, name)
            image.draft("L", (1, 1))
            image.load()
    except UserError:
        raise
    except Exception:  # a damaged file may hold any bytes, and Pillow's parser raises many types
        raise _no_jpeg(data, name, ", damaged or cut off: copy it again") from None
    return size


def read_jpeg(path: Path) -> bytes:
    """Return a JPEG file's bytes, after a check that the whole picture decodes.

    Raises:
        UserError: the file is missing, no JPEG, too large, damaged, or cut off.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    check_jpeg(data, str(path))
    return data


def _fitting(size: tuple[int, int], name: str) -> tuple[int, int]:
    """Return a picture's size. Raises `UnfitPictureError` where it has too many pixels."""
    if size[0] * size[1] > MOST_PIXELS:
        raise UnfitPictureError(
            f"{name} is too large: {size[0]} x {size[1]} pixels, more than {MOST_PIXELS:,}; "
            "scale it and its boxes down"
        )
    return size


def _no_jpeg(data: bytes, name: str, damage: str) -> UserError:
    """Return the error for a file that does not open as a JPEG; `damage` is the reason if none is found."""
    if not data:
        return UserError(f"{name} is empty: copy it again")
    if data.startswith(START_OF_IMAGE):
        if _format(data) is None and _format(without_exif(data)) is not None:
            return UnfitPictureError(f"{name} has EXIF data that cannot be read: save it without them")
        return UserError(f"{name} is no JPEG image{damage}")
    kind = _format(data) or unread_kind(data[:HEAD])
    if kind is None:
        return UserError(f"{name} is no JPEG image{damage}")
    return UnfitPictureError(
        f"{name} is a picture in another format ({kind}): convert it to JPEG, under the name that the "
        "annotations give"
    )


def _format(data: bytes) -> str | None:
    """Return Pillow's name of a picture's format; None where its header cannot be read."""
    try:
        with pillow_without_words(), opened(BytesIO(data)) as image:
            return image.format
    except Exception:  # see `check_jpeg`
        return None
