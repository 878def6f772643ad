"""A row of houses seen from across the street: shop windows, doors, awnings, brick and plaster."""

import numpy as np

from pipeline.data.drawing.camera import View
from pipeline.data.drawing.ground import draw_ground
from pipeline.data.drawing.palette import Colour, shaded
from pipeline.data.drawing.sketch import Sketch

WALLS: tuple[Colour, ...] = (
    (150, 92, 74),
    (172, 150, 126),
    (192, 184, 170),
    (126, 118, 112),
    (164, 120, 96),
    (206, 192, 160),
    (120, 132, 138),
    (176, 142, 138),
)
TRIMS: tuple[Colour, ...] = (
    (40, 62, 54),
    (46, 50, 58),
    (120, 38, 40),
    (36, 58, 96),
    (214, 208, 196),
    (92, 66, 46),
    (190, 150, 62),
)
GLASS: tuple[Colour, ...] = ((66, 80, 92), (88, 100, 108), (52, 58, 68), (120, 124, 118))

FLOOR_METRES = 3.1
"""Height of the ground floor."""


def draw_shopfronts(sketch: Sketch, view: View, generator: np.random.Generator) -> float:
    """Draw the place; returns y of the foot of the walls."""
    foot = view.horizon + 0.88 * (view.farthest - view.horizon)
    metre = view.metre(foot)
    draw_ground(sketch, view, generator, foot, generator.uniform(0.2, 0.8) * view.width)
    left = -generator.uniform(0, 3) * metre
    while left < view.width:
        right = left + generator.uniform(2.6, 5.2) * metre
        _draw_house(sketch, generator, left, right, foot, metre)
        left = right
    return foot


def _pick(generator: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(generator.integers(len(colours)))]


def _draw_house(
    sketch: Sketch, generator: np.random.Generator, left: float, right: float, foot: float, metre: float
) -> None:
    wall, trim, glass = _pick(generator, WALLS), _pick(generator, TRIMS), _pick(generator, GLASS)
    sketch.box(left, 0, right, foot, wall)
    if generator.random() < 0.5:
        _draw_bricks(sketch, generator, left, right, foot, metre, wall)
    ceiling = foot - FLOOR_METRES * metre
    for x in np.arange(left + 0.5 * metre, right - 0.9 * metre, 1.4 * metre):
        _draw_window(sketch, x, ceiling - 1.7 * metre, x + 0.8 * metre, ceiling - 0.3 * metre, glass, trim)
    kind = generator.random()
    if kind < 0.6:
        _draw_shop(sketch, generator, left, right, foot, metre, trim, glass)
    elif kind < 0.85:
        door = generator.uniform(left + 0.3 * metre, right - 1.3 * metre)
        _draw_door(sketch, door, foot, metre, trim)
        for x in (door - 1.4 * metre, door + 1.5 * metre):
            if left + 0.1 * metre < x < right - 1.0 * metre:
                _draw_window(sketch, x, foot - 2.2 * metre, x + 0.9 * metre, foot - 0.9 * metre, glass, trim)
    else:
        inner = left + 0.4 * metre, right - 0.4 * metre
        sketch.box(inner[0], foot - 2.5 * metre, inner[1], foot, shaded(wall, 0.7))
        for y in np.arange(foot - 2.5 * metre, foot, 0.18 * metre):
            sketch.line(inner[0], y, inner[1], y, shaded(wall, 0.55))
    sketch.box(right - 0.06 * metre, 0, right, foot, shaded(wall, 0.72))
    sketch.box(left, foot - 0.18 * metre, right, foot, shaded(wall, 0.66))


def _draw_bricks(
    sketch: Sketch,
    generator: np.random.Generator,
    left: float,
    right: float,
    foot: float,
    metre: float,
    wall: Colour,
) -> None:
    joint, tones = shaded(wall, 0.9), [shaded(wall, tone) for tone in (0.86, 0.94, 1.06, 1.1)]
    for y in np.arange(foot, 0, -0.16 * metre).tolist():
        sketch.line(left, y, right, y, joint)
    count = int(0.02 * (right - left) * foot)
    corners = generator.uniform((left, 0), (right - 2, foot), size=(count, 2)).tolist()
    for index, (x, y) in enumerate(corners):
        sketch.box(x, y, x + 0.22 * metre, y + 0.1 * metre, tones[index % len(tones)])


def _draw_window(
    sketch: Sketch, left: float, top: float, right: float, bottom: float, glass: Colour, trim: Colour
) -> None:
    if bottom < 0:
        return
    sketch.box(left - 1, top - 1, right + 1, bottom + 1, shaded(trim, 1.1))
    sketch.box(left, top, right, bottom, glass)
    sketch.polygon([(left, top), (right, top), (left, bottom)], shaded(glass, 1.22))
    sketch.line((left + right) / 2, top, (left + right) / 2, bottom, trim, 0.8)


def _draw_door(sketch: Sketch, x: float, foot: float, metre: float, trim: Colour) -> None:
    sketch.box(x - 0.1 * metre, foot - 2.25 * metre, x + 1.0 * metre, foot, shaded(trim, 0.6))
    sketch.box(x, foot - 2.1 * metre, x + 0.9 * metre, foot, trim)
    sketch.box(x + 0.15 * metre, foot - 1.9 * metre, x + 0.75 * metre, foot - 1.1 * metre, shaded(trim, 1.35))
    sketch.box(x + 0.15 * metre, foot - 0.9 * metre, x + 0.75 * metre, foot - 0.2 * metre, shaded(trim, 0.8))


def _draw_shop(
    sketch: Sketch,
    generator: np.random.Generator,
    left: float,
    right: float,
    foot: float,
    metre: float,
    trim: Colour,
    glass: Colour,
) -> None:
    """Draw a shop window with goods, a door as dark and upright as a person, a fascia, perhaps an awning."""
    sketch.box(left + 0.1 * metre, foot - 2.9 * metre, right - 0.1 * metre, foot, trim)
    door = left + 0.2 * metre if generator.random() < 0.5 else right - 1.1 * metre
    panes = (
        (left + 1.25 * metre, right - 0.25 * metre)
        if door < left + metre
        else (left + 0.25 * metre, door - 0.1)
    )
    sketch.box(panes[0], foot - 2.3 * metre, panes[1], foot - 0.4 * metre, glass)
    if generator.random() < 0.5:
        sketch.box(panes[0], foot - 2.3 * metre, panes[1], foot - 0.4 * metre, shaded((214, 196, 150), 0.85))
    for _ in range(int(generator.integers(3, 8))):
        x, tall = (
            generator.uniform(panes[0], max(panes[0] + 1, panes[1] - 0.4 * metre)),
            generator.uniform(0.3, 1.2),
        )
        goods = shaded(_pick(generator, TRIMS + WALLS), generator.uniform(0.7, 1.2))
        sketch.box(x, foot - (0.4 + tall) * metre, x + 0.35 * metre, foot - 0.4 * metre, goods)
    slant = 0.5 * metre
    shine = [(panes[0] + slant, foot - 2.3 * metre), (panes[0] + 2 * slant, foot - 2.3 * metre)]
    sketch.polygon(
        [*shine, (panes[0] + slant, foot - 0.4 * metre), (panes[0], foot - 0.4 * metre)], shaded(glass, 1.3)
    )
    sketch.box(door, foot - 2.2 * metre, door + 0.85 * metre, foot, shaded(glass, 0.5))
    sketch.line(door + 0.42 * metre, foot - 2.2 * metre, door + 0.42 * metre, foot, shaded(glass, 0.8), 0.6)
    fascia = _pick(generator, TRIMS)
    sketch.box(left + 0.1 * metre, foot - 2.95 * metre, right - 0.1 * metre, foot - 2.4 * metre, fascia)
    x = left + 0.6 * metre
    while x < right - 0.8 * metre:
        width = generator.uniform(0.12, 0.3) * metre
        sketch.box(x, foot - 2.8 * metre, x + width, foot - 2.55 * metre, shaded((236, 230, 214), 0.95))
        x += width + 0.1 * metre
    if generator.random() < 0.45:
        _draw_awning(sketch, left, right, foot, metre, _pick(generator, TRIMS))


def _draw_awning(
    sketch: Sketch, left: float, right: float, foot: float, metre: float, colour: Colour
) -> None:
    stripes = np.linspace(left, right, max(5, int((right - left) / (0.35 * metre))) + 1)
    for index in range(len(stripes) - 1):
        paint = colour if index % 2 else (226, 220, 206)
        x1, x2 = float(stripes[index]), float(stripes[index + 1])
        top, bottom = foot - 2.5 * metre, foot - 2.0 * metre
        sketch.polygon([(x1 + 1, top), (x2 + 1, top), (x2, bottom), (x1, bottom)], paint)
        sketch.box(x1, bottom, x2, bottom + 0.12 * metre, shaded(paint, 0.82))
