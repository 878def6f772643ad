"""Houses side by side, seen from across the street: shop windows, doors, awnings, brick and plaster."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.datasets.synthetic.drawing.camera import View
from pipeline.datasets.synthetic.drawing.ground import draw_ground
from pipeline.datasets.synthetic.drawing.palette import Colour, shaded
from pipeline.datasets.synthetic.drawing.sketch import Sketch

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

LIT_SHOP: Colour = (182, 167, 128)
LETTERS: Colour = (226, 220, 206)

BRICK_SHARE = 8.0
"""Number of bricks of another tone in a square metre of wall."""

FLOOR_METRES = 3.1
"""Height of the ground floor."""


@dataclass(frozen=True)
class _Plot:
    """The plot of one house: x of its sides, y of its foot and the length of a metre, all in pixels."""

    left: float
    right: float
    foot: float
    metre: float

    def box(
        self, sketch: Sketch, sides: tuple[float, float], heights: tuple[float, float], colour: Colour
    ) -> None:
        """Fill a rectangle between two x (pixels) and two heights (metres)."""
        low, high = heights
        sketch.box(sides[0], self.foot - high * self.metre, sides[1], self.foot - low * self.metre, colour)


@dataclass(frozen=True)
class _Paint:
    """The colours of one house."""

    wall: Colour
    trim: Colour
    glass: Colour


def _pick(generator: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(generator.integers(len(colours)))]


def draw_shopfronts(sketch: Sketch, view: View, generator: np.random.Generator) -> float:
    """Draw the place, and return the y of the walls' feet."""
    foot = view.horizon + 0.88 * (view.farthest - view.horizon)
    metre = view.metre(foot)
    draw_ground(sketch, view, generator, foot, generator.uniform(0.2, 0.8) * view.width)
    left = -generator.uniform(0, 3) * metre
    while left < view.width:
        right = left + generator.uniform(2.6, 5.2) * metre
        paint = _Paint(_pick(generator, WALLS), _pick(generator, TRIMS), _pick(generator, GLASS))
        _draw_house(sketch, generator, _Plot(left, right, foot, metre), paint)
        left = right
    return foot


def _draw_house(sketch: Sketch, generator: np.random.Generator, plot: _Plot, paint: _Paint) -> None:
    left, right, foot, metre = plot.left, plot.right, plot.foot, plot.metre
    sketch.box(left, 0, right, foot, paint.wall)
    if generator.random() < 0.5:
        _draw_bricks(sketch, generator, plot, paint.wall)
    for x in np.arange(left + 0.5 * metre, right - 0.9 * metre, 1.4 * metre).tolist():
        _draw_window(sketch, plot, (x, x + 0.8 * metre), (FLOOR_METRES + 0.3, FLOOR_METRES + 1.7), paint)
    kind = generator.random()
    if kind < 0.6:
        _draw_shop(sketch, generator, plot, paint)
    elif kind < 0.85:
        door = generator.uniform(left + 0.3 * metre, right - 1.3 * metre)
        _draw_door(sketch, plot, door, paint.trim)
        for x in (door - 1.4 * metre, door + 1.5 * metre):
            if left + 0.1 * metre < x < right - metre:
                _draw_window(sketch, plot, (x, x + 0.9 * metre), (0.9, 2.2), paint)
    else:
        sides = left + 0.4 * metre, right - 0.4 * metre
        plot.box(sketch, sides, (0.0, 2.5), shaded(paint.wall, 0.7))
        for y in np.arange(foot - 2.5 * metre, foot, 0.18 * metre).tolist():
            sketch.line((sides[0], y), (sides[1], y), shaded(paint.wall, 0.55))
    sketch.box(right - 0.06 * metre, 0, right, foot, shaded(paint.wall, 0.72))
    plot.box(sketch, (left, right), (0.0, 0.18), shaded(paint.wall, 0.66))


def _draw_bricks(sketch: Sketch, generator: np.random.Generator, plot: _Plot, wall: Colour) -> None:
    joint, tones = shaded(wall, 0.9), [shaded(wall, tone) for tone in (0.86, 0.94, 1.06, 1.1)]
    for y in np.arange(plot.foot, 0, -0.16 * plot.metre).tolist():
        sketch.line((plot.left, y), (plot.right, y), joint)
    count = int(BRICK_SHARE * (plot.right - plot.left) * plot.foot / plot.metre**2)
    corners = generator.uniform((plot.left, 0), (plot.right - 2, plot.foot), size=(count, 2)).tolist()
    for index, (x, y) in enumerate(corners):
        sketch.box(x, y, x + 0.22 * plot.metre, y + 0.1 * plot.metre, tones[index % len(tones)])


def _draw_window(
    sketch: Sketch, plot: _Plot, sides: tuple[float, float], heights: tuple[float, float], paint: _Paint
) -> None:
    (left, right), (low, high) = sides, heights
    top, bottom = plot.foot - high * plot.metre, plot.foot - low * plot.metre
    if bottom < 0:
        return
    sketch.box(left - 1, top - 1, right + 1, bottom + 1, shaded(paint.trim, 1.1))
    sketch.box(left, top, right, bottom, paint.glass)
    sketch.polygon([(left, top), (right, top), (left, bottom)], shaded(paint.glass, 1.22))
    sketch.line(((left + right) / 2, top), ((left + right) / 2, bottom), paint.trim, 0.8)


def _draw_door(sketch: Sketch, plot: _Plot, x: float, trim: Colour) -> None:
    metre = plot.metre
    plot.box(sketch, (x - 0.1 * metre, x + metre), (0.0, 2.25), shaded(trim, 0.6))
    plot.box(sketch, (x, x + 0.9 * metre), (0.0, 2.1), trim)
    plot.box(sketch, (x + 0.15 * metre, x + 0.75 * metre), (1.1, 1.9), shaded(trim, 1.35))
    plot.box(sketch, (x + 0.15 * metre, x + 0.75 * metre), (0.2, 0.9), shaded(trim, 0.8))


def _draw_shop(sketch: Sketch, generator: np.random.Generator, plot: _Plot, paint: _Paint) -> None:
    """Draw a shop window with goods, a door as dark and upright as a person, a fascia, perhaps an awning."""
    left, right, metre = plot.left, plot.right, plot.metre
    plot.box(sketch, (left + 0.1 * metre, right - 0.1 * metre), (0.0, 2.9), paint.trim)
    if generator.random() < 0.5:
        door, panes = left + 0.2 * metre, (left + 1.25 * metre, right - 0.25 * metre)
    else:
        door, panes = right - 1.1 * metre, (left + 0.25 * metre, right - 1.2 * metre)
    inside = LIT_SHOP if generator.random() < 0.5 else paint.glass
    plot.box(sketch, panes, (0.4, 2.3), inside)
    last = max(panes[0] + 1, panes[1] - 0.4 * metre)
    for _ in range(int(generator.integers(3, 8))):
        x, tall = generator.uniform(panes[0], last), generator.uniform(0.3, 1.2)
        goods = shaded(_pick(generator, TRIMS + WALLS), generator.uniform(0.7, 1.2))
        plot.box(sketch, (x, x + 0.35 * metre), (0.4, 0.4 + tall), goods)
    slant, top, bottom = 0.5 * metre, plot.foot - 2.3 * metre, plot.foot - 0.4 * metre
    shine = [
        (panes[0] + slant, top),
        (panes[0] + 2 * slant, top),
        (panes[0] + slant, bottom),
        (panes[0], bottom),
    ]
    sketch.polygon(shine, shaded(paint.glass, 1.3))
    plot.box(sketch, (door, door + 0.85 * metre), (0.0, 2.2), shaded(paint.glass, 0.5))
    plot.box(sketch, (door + 0.4 * metre, door + 0.44 * metre), (0.0, 2.2), shaded(paint.glass, 0.8))
    _draw_fascia(sketch, generator, plot)
    if generator.random() < 0.45:
        _draw_awning(sketch, plot, _pick(generator, TRIMS))


def _draw_fascia(sketch: Sketch, generator: np.random.Generator, plot: _Plot) -> None:
    """Draw the board with the shop's name; the letters are boxes."""
    left, right, metre = plot.left, plot.right, plot.metre
    plot.box(sketch, (left + 0.1 * metre, right - 0.1 * metre), (2.4, 2.95), _pick(generator, TRIMS))
    x = left + 0.6 * metre
    while x < right - 0.8 * metre:
        width = generator.uniform(0.12, 0.3) * metre
        plot.box(sketch, (x, x + width), (2.55, 2.8), LETTERS)
        x += width + 0.1 * metre


def _draw_awning(sketch: Sketch, plot: _Plot, colour: Colour) -> None:
    stripes = max(5, int((plot.right - plot.left) / (0.35 * plot.metre)))
    edges = np.linspace(plot.left, plot.right, stripes + 1).tolist()
    top, bottom = plot.foot - 2.5 * plot.metre, plot.foot - 2.0 * plot.metre
    for index, (x1, x2) in enumerate(pairwise(edges)):
        paint = colour if index % 2 else LETTERS
        sketch.polygon([(x1 + 1, top), (x2 + 1, top), (x2, bottom), (x1, bottom)], paint)
        sketch.box(x1, bottom, x2, bottom + 0.12 * plot.metre, shaded(paint, 0.82))
