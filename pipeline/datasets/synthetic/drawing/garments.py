"""What a person wears on body, arms and legs."""

import math

from pipeline.datasets.synthetic.drawing.palette import Palette, shaded
from pipeline.datasets.synthetic.drawing.pose import HIP, NECK, Skeleton
from pipeline.datasets.synthetic.drawing.shapes import Cloth, Part, capsule, lathe, rectangle

FAR_SHADE = 0.78
"""Factor that darkens the limbs on the far side of the body."""

HEM = {"tee": 0.5, "sweater": 0.49, "jacket": 0.475, "coat": 0.35, "hoodie": 0.48, "vest": 0.49}
"""Height of a top's lower edge in body heights."""

SLEEVE_END = {"tee": 0.9, "vest": 0.0}
"""How far along the upper arm a short sleeve reaches; all other tops cover the whole arm."""

LEG_RADII = {
    "trousers": (0.05, 0.038, 0.03),
    "wide trousers": (0.056, 0.056, 0.06),
    "shorts": (0.042, 0.032, 0.023),
    "skirt": (0.042, 0.032, 0.023),
    "long skirt": (0.042, 0.032, 0.023),
}
"""Radii at hip, knee and ankle in body heights."""

_TORSO = (
    (0.843, 0.03, 0.034),
    (0.826, 0.07, 0.048),
    (0.805, 0.102, 0.062),
    (0.74, 0.1, 0.08),
    (0.62, 0.082, 0.074),
)
"""The levels of a torso above the hip: height and two half axes, in body heights."""


def _level(skeleton: Skeleton, height: float, across: float, deep: float) -> tuple[float, float, float]:
    """Return x, y and half width, in pixels, of one level of the trunk."""
    share = (height - HIP) / (NECK - HIP)
    x, y = skeleton["hip"] * (1 - share) + skeleton["neck"] * share
    return float(x), float(y), skeleton.half_width(across, deep)


def leg_parts(skeleton: Skeleton, palette: Palette, side: str, bottom: str) -> list[Part]:
    """Return one leg with its shoe, covered by trousers, by shorts or bare."""
    shade = FAR_SHADE if skeleton.depth(f"knee{side}") < -0.02 else 1.0
    hip, knee, ankle = (skeleton[f"{joint}{side}"] for joint in ("hip", "knee", "ankle"))
    size = skeleton.height * (0.5 + 0.5 * skeleton.width)
    at_hip, at_knee, at_ankle = (radius * size for radius in LEG_RADII[bottom])
    covered = "trousers" in bottom
    colour = shaded(palette.bottom if covered else palette.skin, shade)
    shoe = capsule(skeleton[f"heel{side}"], skeleton[f"toe{side}"], 0.026 * size, 0.022 * size)
    parts = [
        Part(shoe, shaded(palette.shoes, shade)),
        Part(capsule(knee, ankle, at_knee, at_ankle), colour),
        Part(capsule(hip, knee, at_hip, at_knee), colour),
    ]
    if bottom == "shorts":
        cuff = hip + 0.92 * (knee - hip)
        parts.append(Part(capsule(hip, cuff, 0.056 * size, 0.05 * size), shaded(palette.bottom, shade)))
    return parts


def hip_parts(skeleton: Skeleton, palette: Palette, bottom: str) -> list[Part]:
    """Return the garment over the hips: the seat of trousers, or a skirt."""
    levels = [_level(skeleton, 0.6, 0.078, 0.07), _level(skeleton, 0.53, 0.09, 0.078)]
    if bottom.endswith("skirt"):
        long = bottom == "long skirt"
        hem = 0.1 if long else 0.31
        stride = max(abs(skeleton.depth(f"knee{side}")) for side in "-+")
        flare = 0.02 + (0.7 if long else 0.45) * stride
        levels.append(_level(skeleton, hem, 0.105 + (0.02 if long else 0.0), 0.085 + flare))
    else:
        levels.append(_level(skeleton, 0.48, 0.085, 0.07))
    return [Part(lathe(levels), palette.bottom)]


def torso_parts(skeleton: Skeleton, palette: Palette, top: str, pattern: str) -> list[Part]:
    """Return the top without its sleeves."""
    hem = HEM[top]
    levels = [_level(skeleton, *level) for level in _TORSO]
    loose = 1.0 if top in ("tee", "sweater") else 1.1
    levels += [_level(skeleton, 0.53, 0.09 * loose, 0.08 * loose)]
    levels += [
        _level(skeleton, hem, (0.092 if hem > 0.4 else 0.112) * loose, (0.08 if hem > 0.4 else 0.105) * loose)
    ]
    widest = max(level[2] for level in levels)
    cloth = Cloth(
        pattern, palette.contrast, levels[3][0], max(widest, 1.0), levels[1][1], levels[-1][1], skeleton.yaw
    )
    body = Part(lathe(levels), palette.top, cloth=cloth if pattern != "plain" and palette.face else None)
    return [body, *_detail_parts(skeleton, palette, top, levels)] if palette.face else [body]


def _detail_parts(
    skeleton: Skeleton, palette: Palette, top: str, levels: list[tuple[float, float, float]]
) -> list[Part]:
    """Return the details that distinguish tops: an open front, buttons, a hood, quilting."""
    front, side = math.cos(skeleton.yaw), math.sin(skeleton.yaw)
    x, height = levels[3][0], skeleton.height
    dark = shaded(palette.top, 0.6)
    y_top, y_hem = levels[1][1], levels[-1][1]
    centre = x + side * 0.8 * levels[3][2]
    if top == "jacket" and front > 0.15:
        half = 0.034 * front * height
        return [
            Part(lathe([(centre, y_top - 1, 0.7 * half), (centre, y_hem, 1.2 * half)]), palette.inner, 0.4)
        ]
    if top == "coat":
        belt = _level(skeleton, 0.6, 0.094, 0.09)
        parts = [
            Part(rectangle(belt[0] - belt[2], belt[1], belt[0] + belt[2], belt[1] + 0.02 * height), dark, 0.3)
        ]
        if front > 0.15:
            parts.append(
                Part(rectangle(centre - 0.006 * height, y_top, centre + 0.006 * height, y_hem), dark, 0.0)
            )
        return parts
    if top == "hoodie":
        hood_x = x - side * 0.045 * height
        hood = [
            (hood_x, y_top - 0.035 * height, 0.055 * height),
            (hood_x, y_top + 0.02 * height, 0.085 * height),
        ]
        drop = 0.07 if front < 0 else 0.03
        return [
            Part(lathe([*hood, (hood_x, y_top + drop * height, 0.04 * height)]), shaded(palette.top, 0.8))
        ]
    if top == "vest":
        quilts = [_level(skeleton, level, 0.094, 0.082) for level in (0.76, 0.7, 0.64, 0.58, 0.52)]
        return [Part(rectangle(qx - w, qy, qx + w, qy + 0.012 * height), dark, 0.0) for qx, qy, w in quilts]
    return []


def arm_parts(skeleton: Skeleton, palette: Palette, side: str, top: str) -> list[Part]:
    """Return one arm: sleeve, bare skin below a short one, and the hand."""
    shade = FAR_SHADE if skeleton.depth(f"elbow{side}") < -0.05 else 0.94
    shoulder, elbow, wrist = (skeleton[f"{joint}{side}"] for joint in ("shoulder", "elbow", "wrist"))
    size = skeleton.height * (0.5 + 0.5 * skeleton.width)
    thick = 1.25 if top in ("coat", "jacket", "hoodie") else 1.0
    skin, sleeve = shaded(palette.skin, shade), shaded(palette.sleeve, shade)
    hand = wrist + 0.1 * (wrist - elbow)
    parts = [Part(capsule(wrist, hand, 0.021 * size, 0.019 * size), skin)]
    if top in SLEEVE_END:
        parts.append(Part(capsule(shoulder, elbow, 0.03 * size, 0.024 * size), skin))
        parts.append(Part(capsule(elbow, wrist, 0.024 * size, 0.018 * size), skin))
        if SLEEVE_END[top] > 0:
            cuff = shoulder + SLEEVE_END[top] * (elbow - shoulder)
            parts.append(Part(capsule(shoulder, cuff, 0.038 * size, 0.035 * size), sleeve))
        return parts
    upper = capsule(shoulder, elbow, 0.036 * thick * size, 0.029 * thick * size)
    lower = capsule(elbow, wrist, 0.029 * thick * size, 0.023 * thick * size)
    return [*parts, Part(lower, sleeve), Part(upper, sleeve)]
