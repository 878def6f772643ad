"""What a person carries: a backpack, a satchel or a tote."""

import math

import numpy as np

from pipeline.datasets.synthetic.drawing.palette import Palette, kind_and_colour, shaded
from pipeline.datasets.synthetic.drawing.pose import Skeleton
from pipeline.datasets.synthetic.drawing.shapes import Part, Points, capsule, lathe, rectangle


def bag_parts(skeleton: Skeleton, palette: Palette, bag: str) -> tuple[list[Part], list[Part]]:
    """Return the parts of a bag that lie on the far side of the body and those on the near side."""
    kind, _ = kind_and_colour(bag)
    if kind == "backpack":
        return _backpack_parts(skeleton, palette)
    if kind == "satchel":
        return _satchel_parts(skeleton, palette)
    if kind == "tote":
        return _tote_parts(skeleton, palette)
    return [], []


def _backpack_parts(skeleton: Skeleton, palette: Palette) -> tuple[list[Part], list[Part]]:
    height, (x, y) = skeleton.height, skeleton["back"]
    half = skeleton.half_width(0.085, 0.05)
    levels = [
        (x, y - 0.1 * height, 0.7 * half),
        (x, y - 0.07 * height, half),
        (x, y + 0.1 * height, 1.05 * half),
    ]
    pack = [Part(lathe([*levels, (x, y + 0.13 * height, 0.8 * half)]), palette.bag)]
    pocket = rectangle(x - 0.6 * half, y + 0.03 * height, x + 0.6 * half, y + 0.1 * height)
    pack.append(Part(pocket, shaded(palette.bag, 0.75), 0.4))
    if skeleton.depth("back") > 0:
        return [], pack
    straps = []
    drop = np.array([0.0, 0.16 * height])
    for side in "-+":
        top = skeleton[f"shoulder{side}"] * 0.62 + skeleton["neck"] * 0.38
        straps.append(Part(_strap(top, top + drop, 0.011 * height), shaded(palette.bag, 0.85), 0.2))
    return pack, straps


def _satchel_parts(skeleton: Skeleton, palette: Palette) -> tuple[list[Part], list[Part]]:
    height = skeleton.height
    x, y = skeleton["hip+"]
    x += 0.09 * height * skeleton.width * math.cos(skeleton.yaw)
    half = skeleton.half_width(0.045, 0.09)
    body = Part(rectangle(x - half, y - 0.02 * height, x + half, y + 0.09 * height), palette.bag, 0.6)
    flap = Part(
        rectangle(x - half, y - 0.02 * height, x + half, y + 0.02 * height), shaded(palette.bag, 0.72), 0.4
    )
    far_shoulder = skeleton["shoulder-"] * 0.7 + skeleton["neck"] * 0.3
    strap = Part(_strap(far_shoulder, skeleton["hip+"], 0.009 * height), shaded(palette.bag, 0.8), 0.2)
    return ([body, flap], [strap]) if skeleton.depth("hip+") < -0.03 else ([], [strap, body, flap])


def _tote_parts(skeleton: Skeleton, palette: Palette) -> tuple[list[Part], list[Part]]:
    height, (x, y) = skeleton.height, skeleton["wrist-"]
    half = skeleton.half_width(0.035, 0.085)
    handle = Part(
        rectangle(x - 0.3 * half, y, x + 0.3 * half, y + 0.05 * height), shaded(palette.bag, 0.7), 0.0
    )
    body = Part(lathe([(x, y + 0.04 * height, half), (x, y + 0.19 * height, 1.1 * half)]), palette.bag, 0.7)
    return ([handle, body], []) if skeleton.depth("wrist-") < -0.03 else ([], [handle, body])


def _strap(start: Points, end: Points, radius: float) -> Points:
    return capsule(start, end, radius, radius)
