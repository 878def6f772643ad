"""A head: skin, hair, face and headwear, seen from any side."""

import math

import numpy as np

from pipeline.datasets.synthetic.drawing.palette import Palette, kind_and_colour, shaded
from pipeline.datasets.synthetic.drawing.pose import Skeleton
from pipeline.datasets.synthetic.drawing.shapes import Part, Points, capsule, ellipse, lathe

RADIUS_X, RADIUS_Y = 0.055, 0.075
"""Half axes of a head in body heights."""

_FACE_DARK = (52, 34, 32)


class _Head:
    """A head's place and direction, which convert head coordinates to pixels."""

    def __init__(self, skeleton: Skeleton, turn: float) -> None:
        self.height = skeleton.height
        self.centre = skeleton["head"]
        self.front = math.cos(skeleton.yaw + turn)
        self.side = math.sin(skeleton.yaw + turn)

    def oval(
        self, forward: float, up: float, radius_x: float, radius_y: float, across: float = 0.0
    ) -> Points:
        """Return an ellipse; all numbers are in head radii, and `across` points to the person's left."""
        unit_x, unit_y = RADIUS_X * self.height, RADIUS_Y * self.height
        x = self.centre[0] + (forward * self.side + across * self.front) * unit_x
        return ellipse(x, self.centre[1] - up * unit_y, radius_x * unit_x, radius_y * unit_y)


def head_parts(skeleton: Skeleton, palette: Palette, hair: str, headwear: str, turn: float) -> list[Part]:
    """Return the parts of a head, back to front.

    Args:
        skeleton: the person's joints.
        palette: the person's colours; without a face, a bare head is drawn.
        hair: a word of the vocabulary.
        headwear: a word of the vocabulary.
        turn: angle between head and body, radians.
    """
    head = _Head(skeleton, turn)
    neck_radius = 0.034 * skeleton.height * skeleton.width
    neck = Part(capsule(skeleton["neck"], head.centre, neck_radius, neck_radius), shaded(palette.skin, 0.86))
    skull = Part(head.oval(0.0, 0.0, 1.0, 1.0), palette.skin)
    if not palette.face:
        return [neck, skull]
    behind, above = _hair_parts(head, palette, hair)
    if head.front < -0.1:
        behind, above = [], above + behind
    parts = [*behind, neck, skull, *above, *_face_parts(head, palette)]
    return parts + _headwear_parts(head, palette, headwear)


def _hair_parts(head: _Head, palette: Palette, hair: str) -> tuple[list[Part], list[Part]]:
    """Return the parts of the hair behind the face, and those that cover the skull."""
    colour = palette.hair
    cover = [Part(head.oval(-0.12, 0.14, 1.08, 1.0), colour)]
    dark = shaded(colour, 0.88)
    if hair == "bob":
        return [Part(head.oval(-0.25, -0.25, 1.28, 1.12), dark)], cover
    if hair == "long":
        x, y = head.oval(-0.45, 0.0, 0.0, 0.0)[0]
        unit_x, unit_y = RADIUS_X * head.height, RADIUS_Y * head.height
        levels = [
            (x, y - 0.7 * unit_y, 0.9 * unit_x),
            (x, y, 1.25 * unit_x),
            (x, y + 1.7 * unit_y, 1.3 * unit_x),
        ]
        return [Part(lathe([*levels, (x, y + 2.4 * unit_y, 0.8 * unit_x)]), dark)], cover
    if hair == "ponytail":
        root = head.oval(-1.0, 0.5, 0.0, 0.0)[0]
        tip = head.oval(-1.5, -1.5, 0.0, 0.0)[0]
        unit = RADIUS_X * head.height
        return [Part(capsule(root, tip, 0.5 * unit, 0.28 * unit), dark)], cover
    if hair == "curly":
        return [Part(head.oval(-0.15, 0.25, 1.5, 1.22), dark)], [
            Part(head.oval(-0.15, 0.3, 1.34, 1.06), colour)
        ]
    return [], cover


def _face_parts(head: _Head, palette: Palette) -> list[Part]:
    if head.front < -0.35:
        return []
    width = 0.42 + 0.42 * max(0.0, head.front)
    parts = [Part(head.oval(0.42, -0.16, width, 0.84), palette.skin, 0.7)]
    for across in (-0.36, 0.36):
        if head.front + across * head.side * 1.6 > 0.1:
            forward = 0.72
            parts.append(Part(head.oval(forward, 0.04, 0.12, 0.1, across), _FACE_DARK, 0.0))
    if head.front > 0.0:
        mouth = shaded(palette.skin, 0.68)
        parts.append(Part(head.oval(0.7, -0.52, 0.24 * max(0.4, head.front), 0.06), mouth, 0.0))
    return parts


def _headwear_parts(head: _Head, palette: Palette, headwear: str) -> list[Part]:
    kind, _ = kind_and_colour(headwear)
    colour = palette.headwear
    unit_y = RADIUS_Y * head.height
    brow = head.centre[1] - 0.3 * unit_y
    crown = head.oval(-0.06, 0.42, 1.14, 0.86)
    crown[:, 1] = np.minimum(crown[:, 1], brow)
    if kind == "cap":
        brim = head.oval(0.85, 0.32, 0.5 + 0.35 * abs(head.front), 0.13)
        peak = [Part(brim, shaded(colour, 0.75), 0.3)]
        return [Part(crown, colour), *peak] if head.front > -0.2 else [Part(crown, colour)]
    if kind == "beanie":
        fold = head.oval(-0.04, 0.36, 1.16, 0.2)
        return [Part(crown, colour), Part(fold, shaded(colour, 0.82), 0.4)]
    if kind == "hat":
        return [Part(crown, colour), Part(head.oval(0.0, 0.34, 1.9, 0.22), shaded(colour, 0.9), 0.4)]
    return []
