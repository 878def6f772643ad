"""Converting pictures of any of Pillow's modes to RGB with 8 bits a channel.

Pillow's own conversion clips grey of 16 bits, 32 bits and floats to white or black.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DEPTHS = (8, 10, 12, 14, 15, 16, 24, 31, 32)
"""Bits of a value that cameras and programs write; signed types leave 15 and 31."""
SPARE_BITS = 2
"""A picture whose values leave this many of the highest bits unused is taken as one of fewer bits."""
FLOAT_RANGES = (1.0, 255.0, 65535.0)
"""Values that may stand for white in a picture of floats."""
OUTLIERS = 1
"""Percent of float values at either end that are ignored as noise."""
SAMPLES = 1_000_000
"""How many values a range is estimated from."""
SAMPLE_FORMAT, BITS_PER_SAMPLE, SIGNED = 339, 258, 2
"""Two tags of a TIFF, and the value of the first for signed integers."""

Grey = npt.NDArray[np.uint8]


def as_rgb(image: Image.Image, source: Image.Image) -> tuple[Image.Image, str | None]:
    """Return a decoded picture as RGB; and, where the range of its values is a guess, which range was taken.

    - Integers of 16 and 32 bits keep their highest 8 bits. Where the highest two bits are unused, the values
      are taken to have the fewest of the usual `DEPTHS` that hold them.
    - Floats are taken as 0..1, or as 0..255 or 0..65535 where they are larger. Values of another range are
      stretched from the smallest to the largest. NaN becomes black.
    - Transparent pictures are laid on white, as viewers do. The transparency of a picture that is transparent
      everywhere is ignored.

    Args:
        image: the picture, decoded.
        source: the picture as opened, with its format and tags; `image` may be a copy without them.
    """
    if image.mode.startswith("I;16"):
        return _from_integers(np.asarray(image), 16)
    if image.mode == "I":
        return _from_integers(*_whole_numbers(image, source))
    if image.mode == "F":
        return _from_floats(np.asarray(image))
    if image.has_transparency_data:
        return _on_white(image), None
    return image.convert("RGB"), None


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (0, 0):
        return layer.convert("RGB")
    white = Image.new("RGBA", layer.size, "white")
    white.alpha_composite(layer)
    return white.convert("RGB")


def _whole_numbers(image: Image.Image, source: Image.Image) -> tuple[npt.NDArray[Any], int]:
    """Return the values of a picture of mode `I`, and how many bits they have."""
    values = np.asarray(image)
    if source.format == "PPM":
        return values, 16  # Pillow stretches them to that
    tags = getattr(source, "tag_v2", {})
    if tags.get(BITS_PER_SAMPLE) == (32,) and tags.get(SAMPLE_FORMAT, (1,)) != (SIGNED,):
        return values.view(np.uint32), 32  # Pillow has no unsigned mode of this width
    return values, 31


def _from_integers(values: npt.NDArray[Any], bits: int) -> tuple[Image.Image, str | None]:
    """Return whole numbers of at most `bits` bits as RGB, and the guess, if one was needed."""
    low, high = int(values.min()), int(values.max())
    if low < 0:
        return _stretched(values, low, high)
    used, guess = bits, None
    if 0 < high < 1 << (bits - SPARE_BITS):
        used = next(depth for depth in DEPTHS if high < 1 << depth)
        guess = (
            f"its values reach only {high:,} of {(1 << bits) - 1:,}; they are taken as values of {used} bits"
        )
    return _grey((values >> (used - 8)).astype(np.uint8)), guess


def _from_floats(values: npt.NDArray[Any]) -> tuple[Image.Image, str | None]:
    """Return floats as RGB, and the guess, if one was needed."""
    sampled = values.ravel()[:: max(1, values.size // SAMPLES)]
    finite = sampled[np.isfinite(sampled)]
    if not len(finite):
        return _grey(np.zeros(values.shape, np.uint8)), "none of its values is a number; it is taken as black"
    low, high = (float(value) for value in np.percentile(finite, (OUTLIERS, 100 - OUTLIERS)))
    white = next((white for white in FLOAT_RANGES if high <= white), None)
    if low < 0 or white is None:
        return _stretched(values, float(finite.min()), float(finite.max()))
    guess = f"its values are floats up to {finite.max():g}; they are taken as values from 0 to {white:g}"
    known = (
        white == FLOAT_RANGES[0] and len(finite) == len(sampled) and 0 <= finite.min() <= finite.max() <= 1
    )
    return _grey(_scaled(values, 0.0, white)), None if known else guess


def _stretched(values: npt.NDArray[Any], low: float, high: float) -> tuple[Image.Image, str]:
    guess = f"its values lie between {low:g} and {high:g}; these are taken as black and white"
    return _grey(_scaled(values, low, high)), guess


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> Grey:
    """Return values from `low` to `high` as 0..255; others are clipped to that, and NaN is 0."""
    scale = 255.0 / ((high - low) or 1.0)
    scaled = np.nan_to_num((values.astype(np.float32) - np.float32(low)) * np.float32(scale), nan=0.0)
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _grey(values: Grey) -> Image.Image:
    return Image.fromarray(values).convert("RGB")
