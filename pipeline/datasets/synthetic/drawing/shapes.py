"""The outlines that everything is made of: polygons, in pixels of the picture.

The points of an outline are ordered so that the reversed list is the outline's mirror image across its long
axis. Shading relies on this.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.synthetic.drawing.palette import Colour

Points = npt.NDArray[np.float64]
"""`[K, 2]` corners of a polygon, x and y in pixels."""

Window = tuple[int, int, int, int]
"""Left, top, width and height of a part of a picture, pixels."""

_ROUND_STEPS = 7
_ANGLES = np.linspace(-np.pi / 2, np.pi / 2, _ROUND_STEPS)
_HALF_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_FULL_ANGLES = np.linspace(0.0, 2 * np.pi, 2 * _ROUND_STEPS + 2, endpoint=False) + np.pi / (
    2 * _ROUND_STEPS + 2
)
_CIRCLE = np.stack([np.sin(_FULL_ANGLES), -np.cos(_FULL_ANGLES)], axis=1)


@dataclass(frozen=True, slots=True)
class Cloth:
    """A pattern wrapped round an upright, roughly cylindrical part.

    Attributes:
        pattern: a word of the vocabulary's `pattern`.
        contrast: the pattern's second colour.
        centre: x of the cylinder's axis in pixels.
        half_width: radius of the cylinder in pixels.
        top: y of the garment's upper edge in pixels.
        bottom: y of the garment's lower edge in pixels.
        yaw: direction that the wearer faces, radians; 0 is to the camera.
    """

    pattern: str
    contrast: Colour
    centre: float
    half_width: float
    top: float
    bottom: float
    yaw: float


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline.

    Attributes:
        points: `[K, 2]` pixels.
        colour: the colour that fills it.
        relief: strength of its shading as a rounded body, 0 (flat) to 1.
        cloth: the pattern on it, if any.
    """

    points: Points
    colour: Colour
    relief: float = 1.0
    cloth: Cloth | None = None


def capsule(start: Points, end: Points, start_radius: float, end_radius: float) -> Points:
    """Return a limb: two half circles and the straight sides between them."""
    across, down = (end - start).tolist()
    length = math.hypot(across, down) or 1.0
    cap = _HALF_CIRCLE @ np.array([[across, down], [-down, across]])
    outline = np.empty((2 * _ROUND_STEPS, 2))
    np.multiply(cap, end_radius / length, out=outline[:_ROUND_STEPS])
    np.multiply(cap, -start_radius / length, out=outline[_ROUND_STEPS:])
    outline[:_ROUND_STEPS] += end
    outline[_ROUND_STEPS:] += start
    return outline


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """Return an ellipse with upright axes."""
    return _CIRCLE * (radius_x, radius_y) + (x, y)


def lathe(levels: Sequence[tuple[float, float, float]]) -> Points:
    """Return an upright body from `(x, y, half width)` levels, top to bottom."""
    table = np.array(levels)
    left = np.stack([table[:, 0] - table[:, 2], table[:, 1]], axis=1)
    right = np.stack([table[::-1, 0] + table[::-1, 2], table[::-1, 1]], axis=1)
    return np.concatenate([left, right])


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return an upright rectangle."""
    return np.array([[left, top], [left, bottom], [right, bottom], [right, top]])


def stacked(parts: Sequence[Part]) -> tuple[Points, npt.NDArray[np.int64]]:
    """Return the points of all parts, `[N, 2]`, and the offsets where parts begin and end, `[parts + 1]`."""
    offsets = np.cumsum([0, *(len(part.points) for part in parts)])
    return np.concatenate([part.points for part in parts]), offsets


def bounds(parts: Sequence[Part]) -> npt.NDArray[np.float64]:
    """Return the box x1, y1, x2, y2 `[4]` around all parts."""
    points, _ = stacked(parts)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
