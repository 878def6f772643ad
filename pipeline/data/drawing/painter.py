"""Puts parts on a picture: antialiased, shaded as rounded bodies, with a shadow on the ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from pipeline.data.drawing.cloth import grain_window, pattern_mask
from pipeline.data.drawing.palette import Colour
from pipeline.data.drawing.shapes import Part, bounds

SUPERSAMPLING = 2
"""Pixels drawn along each axis for one pixel of the picture."""

EDGE_SHADE, CORE_SHADE = 0.74, 1.08
"""Brightness of a rounded body at its edge and along its lit core."""

CORE_SHRINK, CORE_SHIFT = 0.27, 0.12
"""How much narrower the core is than the body, and how far it lies towards the light, as a fraction of the width."""

SHADE_BLUR = 0.016
"""Radius by which shading is smoothed, as a fraction of the thing's height."""

FOLDS = 0.03
"""How strongly cloth is uneven, as a fraction of its colour."""

_MIDDLE = 160
"""The grey of the shading image that leaves a colour as it is."""


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        direction: where it comes from, -1 (left) to 1 (right).
        sharpness: of cast shadows, 0 (overcast) to 1 (sun).
        haze: colour that distant things fade to.
        haze_strength: how much of it the most distant thing takes on, 0 to 1.
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
        parts: far to near, pixels of the picture.
        light: of the scene.
        distance: 0 (near) to 1 (far), for the haze.
        ground: y of the ground below it, if it casts a shadow.
    """
    x1, y1, x2, y2 = bounds(parts)
    left, top = max(0, math.floor(x1)), max(0, math.floor(y1))
    right, bottom = min(canvas.width, math.ceil(x2)), min(canvas.height, math.ceil(y2))
    if right <= left or bottom <= top:
        return
    layer, alpha = _draw_layer(parts, left, top, right - left, bottom - top, light, distance)
    if ground is not None:
        _cast_shadow(canvas, alpha, (left, top), ground, light)
    canvas.paste(layer, (left, top), alpha)


def silhouette(parts: Sequence[Part], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Return `[height, width]` which pixels the parts cover, without antialiasing."""
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    for part in parts:
        draw.polygon(part.points.ravel().tolist(), fill=1)
    return np.asarray(image).view(np.bool_)


def _draw_layer(
    parts: Sequence[Part], left: int, top: int, width: int, height: int, light: Light, distance: float
) -> tuple[Image.Image, Image.Image]:
    """Return the window's colours and what of it is covered, at the picture's own resolution."""
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    # The colour below transparent pixels is the first part's, so that nothing foreign bleeds into the edges.
    colour = Image.new("RGBA", size, (*parts[0].colour, 0))
    shade = Image.new("L", size, _MIDDLE)
    draw, draw_shade = ImageDraw.Draw(colour), ImageDraw.Draw(shade)
    for part in parts:
        points = (part.points - (left, top)) * SUPERSAMPLING
        outline = points.ravel().tolist()
        draw.polygon(outline, fill=(*part.colour, 255))
        if part.cloth is not None:
            _draw_pattern(colour, part, outline, left, top)
        draw_shade.polygon(outline, fill=round(_MIDDLE * (1 - (1 - EDGE_SHADE) * part.relief)))
        core = points * (1 - CORE_SHRINK) + points[::-1] * CORE_SHRINK
        core[:, 0] += light.direction * CORE_SHIFT * float(points[:, 0].max() - points[:, 0].min())
        draw_shade.polygon(core.ravel().tolist(), fill=round(_MIDDLE * (1 + (CORE_SHADE - 1) * part.relief)))
    smooth = shade.reduce(SUPERSAMPLING).filter(ImageFilter.BoxBlur(SHADE_BLUR * height + 0.3))
    reduced = colour.reduce(SUPERSAMPLING)
    factor = np.asarray(smooth, dtype=np.float32) * (1 / _MIDDLE)
    factor *= 1.0 + FOLDS * grain_window((left * 7, top * 3), width, height)
    haze = light.haze_strength * distance
    factor *= 1.0 - haze
    pixels = np.asarray(reduced.convert("RGB")) * factor[..., None]
    pixels += np.array(light.haze, dtype=np.float32) * np.float32(haze)
    np.minimum(pixels, 255.0, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8)), reduced.getchannel("A")


def _draw_pattern(colour: Image.Image, part: Part, outline: list[float], left: int, top: int) -> None:
    cloth = part.cloth
    assert cloth is not None
    x1, x2 = max(0, math.floor(min(outline[0::2]))), min(colour.width, math.ceil(max(outline[0::2])) + 1)
    y1, y2 = max(0, math.floor(min(outline[1::2]))), min(colour.height, math.ceil(max(outline[1::2])) + 1)
    if x2 <= x1 or y2 <= y1:
        return
    shape = Image.new("L", (x2 - x1, y2 - y1))
    ImageDraw.Draw(shape).polygon([value - (x1, y1)[i % 2] for i, value in enumerate(outline)], fill=255)
    origin_x, origin_y = x1 + left * SUPERSAMPLING, y1 + top * SUPERSAMPLING
    pattern = pattern_mask(cloth, origin_x, origin_y, x2 - x1, y2 - y1, SUPERSAMPLING)
    stamp = Image.fromarray(np.asarray(shape) * pattern)
    colour.paste((*cloth.contrast, 255), (x1, y1), stamp)


def _cast_shadow(
    canvas: Image.Image, alpha: Image.Image, corner: tuple[int, int], ground: float, light: Light
) -> None:
    """Darken the ground by the thing's outline, laid down away from the light and blurred."""
    length = 0.16 + 0.2 * light.sharpness
    height = max(2, round(alpha.height * length))
    slant = -light.direction * 1.2
    reach = math.ceil(abs(slant) * height)
    margin = 3
    width = alpha.width + reach + 2 * margin
    start = -margin - (reach if slant < 0 else 0)
    # A point of the shadow that lies v above the feet shows what is v / length above them, shifted by slant * v.
    stretch = alpha.height / height
    coefficients = (1.0, slant, start - slant * (height + margin), 0.0, stretch, -margin * stretch)
    laid = alpha.transform(
        (width, height + 2 * margin), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    strength = 0.25 + 0.3 * light.sharpness
    laid = laid.filter(ImageFilter.BoxBlur(1.2 + 1.6 * (1 - light.sharpness)))
    laid = laid.point([round(value * strength) for value in range(256)])
    canvas.paste((18, 18, 26), (corner[0] + start, round(ground) - height - margin + 1), laid)
