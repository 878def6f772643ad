"""Patterns of cloth, wrapped round the body; and the noise that makes surfaces uneven."""

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.datasets.synthetic.drawing.shapes import Cloth, Window

GRAIN_SIZE = 512
"""Side, in pixels, of the square of noise that all surfaces take pieces from."""


def pattern_mask(cloth: Cloth, window: Window, scale: float) -> npt.NDArray[np.bool_]:
    """Return `[height, width]` where the pattern's second colour shows.

    Args:
        cloth: the pattern, and the body that it is wrapped round.
        window: the part of the picture to return, in supersampled pixels.
        scale: number of supersampled pixels along a pixel's side.
    """
    left, top, width, height = window
    x = (np.arange(left, left + width) + 0.5) / scale
    y = (np.arange(top, top + height) + 0.5) / scale
    angle = np.arcsin(np.clip((x - cloth.centre) / cloth.half_width, -1.0, 1.0)) - cloth.yaw
    around = (angle / (2 * np.pi))[None, :] % 1.0
    down = ((y - cloth.top) / (cloth.bottom - cloth.top))[:, None]
    match cloth.pattern:
        case "hoops":
            mask = (down * 6) % 1.0 < 0.5
        case "pinstripe":
            mask = (around * 16) % 1.0 < 0.42
        case "check":
            mask = ((down * 5) % 1.0 < 0.5) ^ ((around * 10) % 1.0 < 0.5)
        case "dots":
            mask = ((down * 6) % 1.0 - 0.5) ** 2 + ((around * 12) % 1.0 - 0.5) ** 2 < 0.1
        case "block":
            mask = down > 0.5
        case "print":
            front = np.abs(around - np.round(around)) < 0.11
            back = np.abs(around - 0.5) < 0.11
            mask = (front | back) & (down > 0.2) & (down < 0.55)
        case "band":
            mask = (down > 0.25) & (down < 0.42)
        case _:
            mask = np.zeros((1, 1), dtype=np.bool_)
    return np.broadcast_to(mask, (height, width))


@cache
def grain() -> npt.NDArray[np.float32]:
    """Return smooth noise of several sizes, with mean 0 and standard deviation 1: a tile, repeated 2 x 2."""
    generator = np.random.default_rng(0)
    total = np.zeros((GRAIN_SIZE, GRAIN_SIZE), dtype=np.float32)
    for cells, weight in ((16, 1.0), (64, 0.8), (256, 0.6)):
        coarse = generator.standard_normal((cells, cells)).astype(np.float32)
        tiled = Image.fromarray(np.pad(coarse, ((0, 1), (0, 1)), mode="wrap"))
        box = (0.0, 0.0, float(cells), float(cells))
        total += weight * np.asarray(
            tiled.resize((GRAIN_SIZE, GRAIN_SIZE), Image.Resampling.BICUBIC, box=box)
        )
    total = ((total - total.mean()) / total.std()).astype(np.float32)
    return np.tile(total, (2, 2))


def scaled(picture: Image.Image, factor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return `[H, W, 3]` an RGB picture times a `[H, W]` factor; faster than broadcasting."""
    height, width = factor.shape
    values = np.asarray(picture).reshape(height, 3 * width) * np.repeat(factor, 3, axis=1)
    return values.reshape(height, width, 3)


def grain_window(offset: tuple[int, int], width: int, height: int) -> npt.NDArray[np.float32]:
    """Return the part `[height, width]` of the noise that begins at an offset."""
    x, y = offset[0] % GRAIN_SIZE, offset[1] % GRAIN_SIZE
    if max(width, height) <= GRAIN_SIZE:
        return grain()[y : y + height, x : x + width]
    ys, xs = (np.arange(height) + y) % GRAIN_SIZE, (np.arange(width) + x) % GRAIN_SIZE
    return grain()[ys[:, None], xs[None, :]]
