"""Drawn scenes and crops, as a data set holds them: JPEG pictures in a shard, boxes and people."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from pipeline.scenes.scene import Scene, Split
from pipeline.scenes.shards import ImageShards, write_images

PICTURES = 16
"""Different pictures of a size."""
GRAIN = 12
"""Pixels from one drawn value to the next."""
BLUR = 1
QUALITY = 92
"""Of the JPEG files."""
Data = tuple[Split, ImageShards]


def draw_data(path: Path, size: tuple[int, int], scenes: Sequence[Scene], identities: int) -> Data:
    """Draw pictures for scenes, some of them again and again.

    Args:
        path: the shard that is written.
        size: width and height of all pictures.
        scenes: with the boxes and people that they are to have.
        identities: how many people have a name.
    """
    drawn = [_picture(number, size) for number in range(min(PICTURES, len(scenes)))]
    write_images(path, [drawn[number % len(drawn)] for number in range(len(scenes))])
    return Split("train", tuple(scenes), tuple(map(str, range(identities)))), ImageShards([path])


def _picture(seed: int, size: tuple[int, int]) -> bytes:
    width, height = (max(1, side // GRAIN) for side in size)
    coarse = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    content = BytesIO()
    picture.filter(ImageFilter.GaussianBlur(BLUR)).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
