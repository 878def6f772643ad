"""Drawing parts on a picture: antialiased, shaded as rounded bodies, with a shadow on the ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.datasets.synthetic.drawing.cloth import grain_window, pattern_mask, scaled
from pipeline.datasets.synthetic.drawing.palette import Colour
from pipeline.datasets.synthetic.drawing.shapes import Cloth, Part, Points, Window, bounds, stacked

SUPERSAMPLING = 2
"""Pixels drawn along each axis for one pixel of the picture."""

EDGE_SHADE, CORE_SHADE = 0.74, 1.08
"""Brightness of a rounded body at its edge and along its lit core."""

CORE_SHRINK, CORE_SHIFT = 0.27, 0.12
"""By how much the core is narrower than the body, and shifted to the light, as fractions of the width."""

SHADE_BLUR = 0.016
"""Radius by which shading is smoothed, as a fraction of the thing's height."""

FOLDS = 0.022
"""Strength of the unevenness of cloth, as a fraction of its colour."""

_MIDDLE = 160
"""The grey of the shading image that changes nothing."""


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        direction: where it comes from, -1 (left) to 1 (right).
        sharpness: of cast shadows, 0 (overcast) to 1 (sun).
        haze: colour that distant things fade to.
        haze_strength: share of the haze in the colour of the most distant thing, 0 to 1.
    """

    direction: float
    sharpness: float
    haze: Colour
    haze_strength: float


def paint(
    canvas: Image.Image,
    parts: Sequence[Part],
    light: Light,
    distance: float = 0.0,
    ground: float | None = None,
) -> None:
    """Draw one thing on the picture.

    Args:
        canvas: an RGB picture, changed in place.
        parts: the thing's parts, far to near, in pixels of the picture.
        light: the light of the scene.
        distance: distance for the haze, 0 (near) to 1 (far).
        ground: y of the ground below the thing; None for no shadow.
    """
    x1, y1, x2, y2 = bounds(parts)
    left, top = max(0, math.floor(x1)), max(0, math.floor(y1))
    right, bottom = min(canvas.width, math.ceil(x2)), min(canvas.height, math.ceil(y2))
    if right <= left or bottom <= top:
        return
    layer, alpha = _draw_layer(parts, (left, top, right - left, bottom - top), light, distance)
    if ground is not None:
        _cast_shadow(canvas, alpha, (left, top), ground, light)
    canvas.paste(layer, (left, top), alpha)


def silhouette(
    parts: Sequence[Part], width: int, height: int, scale: float = 1.0, shift: float = 0.0
) -> npt.NDArray[np.bool_]:
    """Return `[height, width]`, true for the cells that the parts cover, without antialiasing.

    Args:
        parts: the parts to fill.
        width: width of the result in cells.
        height: height of the result in cells.
        scale: cells a pixel, along each axis; below 1, a cell covers several pixels.
        shift: added to x and y before scaling, in pixels.
    """
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    points, offsets = stacked(parts)
    for outline in _outlines((points + shift) * scale, offsets):
        draw.polygon(outline, fill=1)
    return np.asarray(image).view(np.bool_)


def _outlines(points: Points, offsets: npt.NDArray[np.int64]) -> list[list[float]]:
    """Return each part's points as x, y, x, y ..."""
    flat = points.ravel().tolist()
    ends = (2 * offsets).tolist()
    return [flat[first:last] for first, last in pairwise(ends)]


def _cores(points: Points, offsets: npt.NDArray[np.int64], direction: float) -> Points:
    """Return the outlines of the lit cores: the parts' outlines, narrowed and shifted towards the light."""
    starts, ends = offsets[:-1], offsets[1:]
    counts = ends - starts
    mirrored = np.repeat(starts + ends - 1, counts) - np.arange(len(points))
    cores = points * (1 - CORE_SHRINK) + points[mirrored] * CORE_SHRINK
    x = points[:, 0]
    widths = np.maximum.reduceat(x, starts) - np.minimum.reduceat(x, starts)
    cores[:, 0] += np.repeat(direction * CORE_SHIFT * widths, counts)
    return cores


def _draw_layer(
    parts: Sequence[Part], window: Window, light: Light, distance: float
) -> tuple[Image.Image, Image.Image]:
    """Return the window's colours, and the mask of its covered pixels, at the picture's own resolution."""
    left, top, width, height = window
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    # Transparent pixels have the first part's colour, so that no other colour bleeds into the edges.
    colour = Image.new("RGBA", size, (*parts[0].colour, 0))
    shade = Image.new("L", size, _MIDDLE)
    draw, draw_shade = ImageDraw.Draw(colour), ImageDraw.Draw(shade)
    points, offsets = stacked(parts)
    points = (points - (left, top)) * SUPERSAMPLING
    outlines = _outlines(points, offsets)
    cores = _outlines(_cores(points, offsets, light.direction), offsets)
    for part, outline, core in zip(parts, outlines, cores, strict=True):
        draw.polygon(outline, fill=(*part.colour, 255))
        if part.cloth is not None:
            _draw_pattern(colour, part.cloth, outline, left, top)
        draw_shade.polygon(outline, fill=round(_MIDDLE * (1 - (1 - EDGE_SHADE) * part.relief)))
        if part.relief > 0:
            draw_shade.polygon(core, fill=round(_MIDDLE * (1 + (CORE_SHADE - 1) * part.relief)))
    smooth = shade.reduce(SUPERSAMPLING).filter(ImageFilter.BoxBlur(SHADE_BLUR * height + 0.3))
    reduced = colour.reduce(SUPERSAMPLING)
    factor = np.asarray(smooth, dtype=np.float32) * (1 / _MIDDLE)
    factor *= 1.0 + FOLDS * grain_window((left * 7, top * 3), width, height)
    haze = light.haze_strength * distance
    factor *= 1.0 - haze
    pixels = scaled(reduced.convert("RGB"), factor)
    pixels += np.array(light.haze, dtype=np.float32) * np.float32(haze)
    np.minimum(pixels, 255.0, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8)), reduced.getchannel("A")


def _draw_pattern(colour: Image.Image, cloth: Cloth, outline: list[float], left: int, top: int) -> None:
    """Draw a garment's pattern within its outline; `left` and `top` are the window's first pixel."""
    x1, x2 = max(0, math.floor(min(outline[0::2]))), min(colour.width, math.ceil(max(outline[0::2])) + 1)
    y1, y2 = max(0, math.floor(min(outline[1::2]))), min(colour.height, math.ceil(max(outline[1::2])) + 1)
    if x2 <= x1 or y2 <= y1:
        return
    shape = Image.new("L", (x2 - x1, y2 - y1))
    ImageDraw.Draw(shape).polygon([value - (x1, y1)[i % 2] for i, value in enumerate(outline)], fill=255)
    window = (x1 + left * SUPERSAMPLING, y1 + top * SUPERSAMPLING, x2 - x1, y2 - y1)
    pattern = pattern_mask(cloth, window, SUPERSAMPLING)
    stamp = Image.fromarray(np.asarray(shape) * pattern)
    colour.paste((*cloth.contrast, 255), (x1, y1), stamp)


def _cast_shadow(
    canvas: Image.Image, alpha: Image.Image, corner: tuple[int, int], ground: float, light: Light
) -> None:
    """Darken the ground in the shape of the thing's outline, laid down away from the light and blurred."""
    length = 0.16 + 0.2 * light.sharpness
    height = max(2, round(alpha.height * length))
    slant = -light.direction * 1.2
    reach = math.ceil(abs(slant) * height)
    margin = 3
    width = alpha.width + reach + 2 * margin
    start = -margin - (reach if slant < 0 else 0)
    # The shadow's point at height v above the feet is the outline's at v / length, shifted by slant * v.
    stretch = alpha.height / height
    coefficients = (1.0, slant, start - slant * (height + margin), 0.0, stretch, -margin * stretch)
    laid = alpha.transform(
        (width, height + 2 * margin), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    strength = 0.25 + 0.3 * light.sharpness
    laid = laid.filter(ImageFilter.BoxBlur(1.2 + 1.6 * (1 - light.sharpness)))
    laid = ImageChops.multiply(laid, Image.new("L", laid.size, round(255 * strength)))
    canvas.paste((18, 18, 26), (corner[0] + start, round(ground) - height - margin + 1), laid)
