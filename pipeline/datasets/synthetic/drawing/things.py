"""Things that stand in the street: some hide people, others look like people from afar."""

from collections.abc import Callable, Mapping

import numpy as np

from pipeline.datasets.synthetic.drawing.palette import Colour, shaded
from pipeline.datasets.synthetic.drawing.shapes import Part, Points, capsule, ellipse, lathe, rectangle

_STEEL: Colour = (104, 108, 112)
_DARK: Colour = (42, 46, 50)
_RUBBER: Colour = (30, 30, 32)
_GLASS: Colour = (96, 116, 130)
_WOOD: Colour = (128, 92, 60)
_PAINTS: tuple[Colour, ...] = (
    (150, 38, 36),
    (44, 74, 126),
    (214, 212, 206),
    (58, 60, 66),
    (164, 166, 168),
    (36, 88, 66),
    (188, 148, 60),
    (92, 60, 52),
)
_LEAVES: tuple[Colour, ...] = ((62, 96, 48), (84, 116, 54), (52, 82, 52), (122, 116, 50))

Generator = np.random.Generator
Thing = Callable[[Generator, float, float, float], list[Part]]
"""`(generator, x, y, metre)` -> parts: x, y of the ground point and a metre's length there, all in pixels."""


def _pick(generator: Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(generator.integers(len(colours)))]


def _upright(x: float, y: float, half: float, height: float) -> Points:
    return rectangle(x - half, y - height, x + half, y)


def _bin(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    colour, height, half = _pick(generator, _PAINTS), generator.uniform(0.9, 1.2) * metre, 0.28 * metre
    body = lathe(
        [(x, y - height, 1.1 * half), (x, y - 0.02 * metre, 0.9 * half), (x, y + 0.03 * metre, 0.5 * half)]
    )
    lid = ellipse(x, y - height, 1.2 * half, 0.14 * metre)
    slot = rectangle(x - 0.5 * half, y - 0.8 * height, x + 0.5 * half, y - 0.7 * height)
    return [Part(body, colour), Part(lid, shaded(colour, 0.7)), Part(slot, _DARK, 0.0)]


def _bollard(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    colour = _pick(generator, _PAINTS)
    height = generator.uniform(1.0, 1.5) * metre
    return [
        Part(_upright(x, y, 0.13 * metre, height), colour),
        Part(_upright(x, y - 0.7 * height, 0.15 * metre, 0.1 * height), (230, 226, 210), 0.5),
        Part(ellipse(x, y - height - 0.08 * metre, 0.16 * metre, 0.17 * metre), colour),
    ]


def _sign(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    height, size = generator.uniform(2.0, 2.6) * metre, generator.uniform(0.24, 0.36) * metre
    colour = _pick(generator, ((190, 40, 38), (40, 80, 160), (226, 190, 50), (232, 232, 228)))
    top = y - height
    plate = (
        ellipse(x, top, size, size) if generator.random() < 0.6 else _upright(x, top + size, size, 2 * size)
    )
    parts = [Part(_upright(x, y, 0.045 * metre, height), _STEEL), Part(plate, colour, 0.2)]
    parts.append(Part(ellipse(x, top, 0.6 * size, 0.6 * size), (228, 228, 224), 0.0))
    if generator.random() < 0.5:
        lower = _upright(x, top + 2.1 * size, 0.9 * size, 0.6 * size)
        parts.append(Part(lower, (224, 222, 214), 0.1))
    return parts


def _lamp(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    colour = _pick(generator, (_STEEL, _DARK, (58, 74, 64)))
    height = generator.uniform(3.6, 5.0) * metre
    pole = lathe(
        [(x, y - height, 0.05 * metre), (x, y - metre, 0.075 * metre), (x, y - 0.9 * metre, 0.12 * metre)]
    )
    foot = _upright(x, y, 0.13 * metre, 0.92 * metre)
    return [
        Part(pole, colour),
        Part(foot, colour),
        Part(ellipse(x, y - height, 0.3 * metre, 0.16 * metre), _DARK),
    ]


def _pillar_box(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    colour = _pick(generator, ((180, 36, 34), (224, 178, 40), (40, 76, 140)))
    height, half = 1.45 * metre, 0.27 * metre
    return [
        Part(_upright(x, y, half, height), colour),
        Part(ellipse(x, y - height, 1.15 * half, 0.2 * metre), colour),
        Part(_upright(x, y - 0.8 * height, 0.6 * half, 0.05 * metre), _DARK, 0.0),
        Part(_upright(x, y - 0.5 * height, 0.55 * half, 0.25 * metre), (236, 232, 220), 0.0),
        Part(_upright(x, y, 1.1 * half, 0.15 * metre), _DARK),
    ]


def _meter(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    height, colour = generator.uniform(1.3, 1.6) * metre, _pick(generator, _PAINTS)
    return [
        Part(_upright(x, y, 0.05 * metre, height), _STEEL),
        Part(_upright(x, y - 0.62 * height, 0.17 * metre, 0.4 * height), colour),
        Part(ellipse(x, y - height, 0.17 * metre, 0.17 * metre), colour),
        Part(_upright(x, y - 0.86 * height, 0.1 * metre, 0.1 * height), _GLASS, 0.0),
    ]


def _young_tree(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    leaf, height = _pick(generator, _LEAVES), generator.uniform(1.8, 3.0) * metre
    parts = [Part(_upright(x, y, 0.06 * metre, 0.8 * height), _WOOD)]
    shifts = generator.normal(0.0, (0.26, 0.28), size=(20, 2))
    for (across, up), radius in zip(shifts, generator.uniform(0.12, 0.3, size=20), strict=True):
        blob = ellipse(
            x + across * metre, y - 0.8 * height - up * metre, radius * metre, 0.85 * radius * metre
        )
        parts.append(
            Part(blob, shaded(leaf, min(1.35, max(0.65, 1.0 + 0.5 * up + 0.4 * (radius - 0.2)))), 0.6)
        )
    return parts


def _planter(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    leaf, half = _pick(generator, _LEAVES), generator.uniform(0.4, 0.8) * metre
    parts = []
    for _ in range(8):
        shift, radius = generator.uniform(-0.8, 0.8) * half, generator.uniform(0.16, 0.3) * metre
        blob = ellipse(x + shift, y - generator.uniform(0.5, 0.95) * metre, radius, radius)
        parts.append(Part(blob, shaded(leaf, generator.uniform(0.7, 1.2))))
    box = lathe([(x, y - 0.5 * metre, 1.05 * half), (x, y, 0.9 * half)])
    return [*parts, Part(box, _pick(generator, ((138, 130, 120), _WOOD, (86, 88, 90))))]


def _board(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    half, height = 0.3 * metre, generator.uniform(0.95, 1.25) * metre
    frame = Part(lathe([(x, y - height, 0.85 * half), (x, y, half)]), _pick(generator, (_DARK, _WOOD)), 0.3)
    sheet = lathe([(x, y - 0.93 * height, 0.72 * half), (x, y - 0.18 * height, 0.84 * half)])
    parts = [frame, Part(sheet, _pick(generator, ((52, 58, 54), (226, 220, 204))), 0.1)]
    for line in (0.8, 0.62, 0.44):
        colour = _pick(generator, ((220, 90, 60), (150, 160, 150), (216, 190, 90)))
        parts.append(Part(_upright(x, y - line * height, 0.5 * half, 0.07 * height), colour, 0.0))
    return parts


def _clothes_rail(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    half, top = generator.uniform(0.45, 0.75) * metre, y - 1.55 * metre
    parts = [Part(_upright(x + side * half, y, 0.025 * metre, 1.6 * metre), _STEEL) for side in (-1, 1)]
    parts.append(Part(rectangle(x - half, top - 0.05 * metre, x + half, top), _STEEL))
    for place in np.linspace(-0.75, 0.75, int(generator.integers(2, 5))):
        centre, length = x + place * half, generator.uniform(0.7, 1.1) * metre
        coat = [(centre, top + 0.04 * metre, 0.05 * metre), (centre, top + 0.14 * metre, 0.19 * metre)]
        parts.append(Part(lathe([*coat, (centre, top + length, 0.2 * metre)]), _pick(generator, _PAINTS)))
    return parts


def _parasol(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    height, colour = 2.3 * metre, _pick(generator, _PAINTS)
    folded = [
        (x, y - height, 0.03 * metre),
        (x, y - 0.5 * height, 0.2 * metre),
        (x, y - 0.42 * height, 0.12 * metre),
    ]
    base = ellipse(x, y, 0.3 * metre, 0.08 * metre)
    return [
        Part(base, _STEEL),
        Part(_upright(x, y, 0.03 * metre, height), _WOOD),
        Part(lathe(folded), colour),
    ]


def _bench(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    half, colour = generator.uniform(0.7, 0.95) * metre, _pick(generator, (_WOOD, (96, 64, 44), (58, 84, 66)))
    parts = [Part(_upright(x + side * 0.8 * half, y, 0.05 * metre, 0.82 * metre), _DARK) for side in (-1, 1)]
    for low in (0.36, 0.52, 0.64, 0.76):
        parts.append(Part(_upright(x, y - low * metre, half, 0.085 * metre), colour, 0.5))
    return parts


def _car(generator: Generator, x: float, y: float, metre: float) -> list[Part]:
    paint, way = _pick(generator, _PAINTS), float(generator.choice([-1.0, 1.0]))
    outline = [(-2.05, 0.25), (-2.05, 0.75), (-1.75, 0.9), (-1.2, 0.95), (-0.7, 1.42), (0.6, 1.45)]
    outline += [(1.3, 0.98), (1.95, 0.85), (2.1, 0.6), (2.1, 0.25)]
    panes = [
        [(-1.05, 0.95), (-0.62, 1.34), (-0.1, 1.37), (-0.1, 0.95)],
        [(0.0, 0.95), (0.0, 1.37), (0.55, 1.36), (1.12, 0.95)],
    ]

    def place(corners: list[tuple[float, float]]) -> Points:
        return np.array([(x + way * across * metre, y - up * metre) for across, up in corners])

    parts = [Part(place([(-1.9, 0.1), (-1.9, 0.3), (1.9, 0.3), (1.9, 0.1)]), _RUBBER, 0.0)]
    parts.append(Part(place(outline), paint, 0.6))
    parts += [Part(place(pane), _GLASS, 0.3) for pane in panes]
    parts.append(
        Part(place([(-2.04, 0.5), (-2.04, 0.56), (2.05, 0.56), (2.05, 0.5)]), shaded(paint, 0.7), 0.0)
    )
    for wheel in (-1.3, 1.35):
        centre = x + way * wheel * metre
        parts.append(Part(ellipse(centre, y - 0.3 * metre, 0.33 * metre, 0.33 * metre), _RUBBER, 0.4))
        parts.append(Part(ellipse(centre, y - 0.3 * metre, 0.18 * metre, 0.18 * metre), (150, 152, 154), 0.6))
    lamp = np.array([x + way * 2.0 * metre, y - 0.7 * metre])
    parts.append(
        Part(capsule(lamp, lamp - (way * 0.15 * metre, 0), 0.07 * metre, 0.07 * metre), (232, 228, 200), 0.3)
    )
    return parts


DISTRACTORS: Mapping[str, Thing] = {
    "bin": _bin,
    "bollard": _bollard,
    "sign": _sign,
    "pillar_box": _pillar_box,
    "meter": _meter,
    "young_tree": _young_tree,
    "board": _board,
    "clothes_rail": _clothes_rail,
    "parasol": _parasol,
}
"""Upright things of about a person's size, which distract a detector."""

OCCLUDERS: Mapping[str, Thing] = {
    "lamp": _lamp,
    "sign": _sign,
    "planter": _planter,
    "bench": _bench,
    "car": _car,
    "bin": _bin,
    "young_tree": _young_tree,
}
"""Things that are placed in front of people."""

THINGS: Mapping[str, Thing] = {**DISTRACTORS, **OCCLUDERS}
