"""A frame as a file of an annotated folder: its JPEG, its name, and how much it differs from another one."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from person_search.networks.network import Picture
from person_search.sources.frames import Frame, text_of
from person_search.sources.places import Item, Kind
from pipeline.basics.errors import UserError
from pipeline.datasets.jpeg import UPRIGHT, check_jpeg, orientation_of, pillow_without_words

QUALITY = 95
"""Of frames that are no JPEG yet."""
ORDINARY = ("RGB", "L")
"""Pillow's modes of JPEGs that are taken as they are; another one may be read in other colours elsewhere."""
THUMBNAIL = (32, 18)
"""Width and height of what near-duplicates are compared by."""
STEM_LETTERS, DIGEST_LETTERS = 60, 12
ODD = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as a JPEG file.

    Attributes:
        content: the file's bytes.
        size: its width and height.
    """

    content: bytes
    size: tuple[int, int]


class GivenPaths:
    """The paths of files as a user gave them.

    Args:
        sources: the files and folders that were given.
    """

    def __init__(self, sources: Sequence[str | Path]) -> None:
        self._given = {Path(source).absolute(): Path(source) for source in reversed(sources)}

    def text(self, path: Path) -> str:
        """Return the text (see `text_of`) of a file's path: the source as given, and the path below it.

        So two pictures of one name are told apart, whether they lie in two folders or in two sources.

        Args:
            path: absolute, as an `Item` has it.
        """
        for place in (path, *path.parents):
            if place in self._given:
                return text_of(self._given[place] / path.relative_to(place))
        return text_of(path)


def encoded(item: Item, frame: Frame) -> EncodedFrame:
    """Return a frame as a JPEG: the file's own bytes where they are an upright one, else encoded anew.

    A data set's boxes are in pixels of the picture as stored. So one that its EXIF data turn is encoded.
    """
    if item.kind is Kind.PICTURE and item.path is not None and (own := _own_bytes(item.path, frame)):
        return EncodedFrame(own, frame.size)
    file = BytesIO()
    Image.fromarray(frame.pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    height, width = frame.pixels.shape[:2]
    return EncodedFrame(file.getvalue(), (width, height))


def frame_name(item: Item, frame: Frame, content: bytes) -> str:
    """Return the name of a frame's file: its source's stem, its number in a video, and its content's digest.

    So equal pictures have equal names wherever they lie, and no two others have one name.
    """
    stem = Path(item.source).stem if item.path is None else item.path.stem
    number = "" if item.kind is Kind.PICTURE else f"-{frame.frame:06d}"
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LETTERS]
    return f"{ODD.sub('_', stem)[:STEM_LETTERS]}{number}-{digest}.jpg"


def thumbnail(picture: Picture) -> npt.NDArray[np.uint8]:
    """Return a small grey picture, `[18, 32]`, of which each pixel is the mean of an area."""
    small = Image.fromarray(picture).convert("L").resize(THUMBNAIL, Image.Resampling.BOX)
    return np.asarray(small)


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Return the mean absolute difference of two thumbnails, 0..255 (ours)."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def _own_bytes(path: Path, frame: Frame) -> bytes | None:
    """Return a picture file's bytes; None where it is no JPEG that can stand in a data set as it is."""
    try:
        content = path.read_bytes()
        size = check_jpeg(content, str(path))
    except (UserError, OSError):
        return None
    with pillow_without_words(), Image.open(BytesIO(content), formats=["JPEG"]) as image:
        as_it_is = orientation_of(image) == UPRIGHT and image.mode in ORDINARY and size == frame.size
    return content if as_it_is else None
