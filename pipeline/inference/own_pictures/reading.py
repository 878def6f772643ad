"""Reading a user's own picture: upright, RGB, and no larger than a search needs.

The picture is turned as its EXIF orientation says. Of several frames the first is read.
"""

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.datasets.jpeg import START_OF_IMAGE, UPRIGHT, orientation_of, pillow_without_words, without_exif
from pipeline.datasets.picture_kinds import HEAD, kind_by_suffix, opened, unread_kind
from pipeline.inference.own_pictures.eight_bits import as_rgb
from pipeline.inference.own_pictures.printable import printable
from pipeline.scenes.scene import FloatArray

MOST_PIXELS = 300_000_000
"""Larger pictures are refused: decoding them takes gigabytes."""
KEPT_PIXELS = 40_000_000
"""Larger pictures are reduced by a whole factor; the networks see far fewer pixels anyway."""
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF, JPEGS = "TIFF", ("JPEG", "MPO")
"""Pillow's names of formats."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns a picture upright, by its EXIF orientation."""
FIRST_ON_ITS_SIDE = 5
"""From this orientation on, width and height are swapped."""


@dataclass(frozen=True)
class OwnPicture:
    """A picture that was read.

    Attributes:
        pixels: `[h, w, 3]` RGB, upright; reduced where the file has more than `KEPT_PIXELS`.
        size: width and height of the upright picture before it was reduced. Boxes are in these pixels.
        remark: a warning for the user: the range of the values was guessed, or the picture was reduced.
    """

    pixels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    remark: str | None = None

    @property
    def scale(self) -> FloatArray:
        """`[4]`, the factors that turn a box in the file's pixels into a box in `pixels`."""
        height, width = self.pixels.shape[:2]
        return np.tile([width / self.size[0], height / self.size[1]], 2)


def read_picture(path: Path) -> OwnPicture:
    """Read a picture.

    Raises:
        UserError: it is missing, unreadable, no picture, in a format that is not read, too large, or damaged.
    """
    name = printable(path)
    with _opened(path) as (image, orientation):
        stored = f"{image.width} x {image.height} pixels"
        if image.width * image.height > MOST_PIXELS:
            raise UserError(f"{name} is too large: {stored}, more than {MOST_PIXELS:,}; scale it down")
        try:
            return _decoded(image, orientation)
        except MemoryError:
            raise UserError(f"{name} is too large for this machine's memory: {stored}") from None
        except Exception:  # a damaged file may hold any bytes, and Pillow's parser raises many types
            raise UserError(
                f"{name} is no picture that can be read: it is damaged or cut off ({image.format}, {stored})"
            ) from None


def check_header(path: Path) -> None:
    """Raise `UserError` where a file's header is not that of a picture that can be read."""
    with _opened(path):
        pass


def is_picture(path: Path) -> bool:
    """Return whether a file's header is that of a picture that can be read; the name does not count."""
    try:
        check_header(path)
    except UserError:
        return False
    return True


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int | None]]:
    """Open a picture; also give its orientation where Pillow cannot tell it from the opened picture.

    Raises:
        UserError: it is missing, unreadable, or no picture in a format that is read.
    """
    name = printable(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
            raise UserError(
                f"{name} is {'a folder' if path.is_dir() else 'no ordinary file'}; give a picture"
            )
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{name} does not exist") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from None
    with file, pillow_without_words():
        yield _image_of(file, path)


def _image_of(file: BinaryIO, path: Path) -> tuple[Image.Image, int | None]:
    try:
        return opened(file), None
    except Exception:  # see `read_picture`
        file.seek(0)
        head = file.read(HEAD)
    if head.startswith(START_OF_IMAGE):
        file.seek(0)
        found = _without_odd_exif(file.read())
        if found is not None:
            return found
    name = printable(path)
    if not head:
        raise UserError(f"{name} is empty")
    kind = unread_kind(head) or kind_by_suffix(path.name)
    if kind is not None:
        raise UserError(f"{name} is {kind}, which cannot be read: convert it to JPEG")
    if head.startswith(TIFF_STARTS):
        raise UserError(
            f"{name} is a TIFF of a kind that cannot be read (or it is damaged): convert it to PNG"
        )
    raise UserError(f"{name} is no picture that can be read (or it is damaged)")


def _without_odd_exif(data: bytes) -> tuple[Image.Image, int] | None:
    """Open a JPEG with EXIF data on which Pillow fails; return it with its orientation, or None."""
    try:
        return opened(BytesIO(without_exif(data))), _orientation_in(data)
    except Exception:  # see `read_picture`
        return None


def _orientation_in(data: bytes) -> int:
    start = data.find(b"Exif\0\0")
    image = Image.new("L", (1, 1))
    if start >= 0:
        image.info["exif"] = data[start : start + (1 << 16)]
    return orientation_of(image)


def _decoded(image: Image.Image, orientation: int | None) -> OwnPicture:
    """Decode an opened picture and turn it upright; the orientation is looked up where it is None."""
    stored, step = image.size, _step(image.size)
    if image.format == TIFF:
        orientation = _taken_from_tiff(image)
    elif step > 1 and image.format in JPEGS:
        image.draft(None, (image.width // step, image.height // step))
    image.load()
    if orientation is None:
        orientation = orientation_of(image)
    turned = image
    if image.format == TIFF:
        # Pillow gives an opened TIFF its upright size before it turns it; the copy has the size as stored.
        turned = image.copy()
        stored = turned.size
    shown, guess = as_rgb(turned, image)
    step = _step(shown.size)
    if step > 1:
        shown = shown.reduce(step)
    if orientation != UPRIGHT:
        shown = shown.transpose(TURNS[orientation])
    size = stored[::-1] if orientation >= FIRST_ON_ITS_SIDE else stored
    smaller = f"it is large, {size[0]} x {size[1]} pixels: it is looked at in {shown.width} x {shown.height}"
    remarks = [remark for remark in (guess, smaller if shown.size != size else None) if remark]
    return OwnPicture(np.array(shown), size, "; ".join(remarks) or None)


def _step(size: tuple[int, int]) -> int:
    """Return the whole number that divides a picture's sides, so that at most `KEPT_PIXELS` are left."""
    return math.ceil(math.sqrt(max(1.0, size[0] * size[1] / KEPT_PIXELS)))


def _taken_from_tiff(image: Image.Image) -> int:
    """Return a TIFF's orientation, and delete its EXIF entries.

    With them, Pillow turns the picture when it loads it, and fails on odd entries.
    """
    orientation = orientation_of(image)
    entries = image.getexif()
    for tag in list(entries):
        del entries[tag]
    return orientation
