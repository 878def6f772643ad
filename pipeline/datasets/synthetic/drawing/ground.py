"""Pavements, roads and lawns, in perspective."""

import numpy as np

from pipeline.datasets.synthetic.drawing.camera import View
from pipeline.datasets.synthetic.drawing.palette import Colour, shaded
from pipeline.datasets.synthetic.drawing.sketch import Sketch

PAVINGS: tuple[Colour, ...] = (
    (158, 154, 148),
    (142, 134, 124),
    (170, 160, 146),
    (128, 130, 134),
    (150, 128, 112),
)
ASPHALTS: tuple[Colour, ...] = ((84, 86, 90), (98, 98, 98), (74, 78, 84))
LAWNS: tuple[Colour, ...] = ((96, 120, 66), (110, 124, 72))


def draw_ground(
    sketch: Sketch, view: View, generator: np.random.Generator, top: float, vanishing: float
) -> None:
    """Draw the ground from y = `top` down, with joints that run to the vanishing point on the horizon.

    Args:
        sketch: the picture to draw on.
        view: the camera's view.
        generator: chooses the ground.
        top: y at which the ground begins.
        vanishing: x of the vanishing point.
    """
    paving = PAVINGS[int(generator.integers(len(PAVINGS)))]
    sketch.fade(top, view.height, shaded(paving, 0.92), shaded(paving, 1.06))
    _draw_slabs(sketch, view, generator, top, vanishing=vanishing, joint=shaded(paving, 0.88))
    band = generator.random()
    if band < 0.4:
        first = generator.uniform(top + 0.1 * (view.height - top), 0.62 * view.height)
        last = first + generator.uniform(0.12, 0.3) * view.height
        _draw_road(sketch, view, generator, first, last)
    elif band < 0.55:
        lawn = LAWNS[int(generator.integers(len(LAWNS)))]
        sketch.fade(top, top + 0.1 * view.height, shaded(lawn, 0.85), lawn)
    if band > 0.75:
        _draw_stains(sketch, view, generator, top, paving)


def _draw_slabs(
    sketch: Sketch, view: View, generator: np.random.Generator, top: float, *, vanishing: float, joint: Colour
) -> None:
    """Draw the joints between slabs: rays from the vanishing point, and level lines, denser with distance."""
    size = generator.uniform(0.6, 1.4)
    metres_at_bottom = view.metre(view.height)
    spacing = size * metres_at_bottom
    count = int(2.5 * view.width / spacing) + 2
    share = (top - view.horizon) / (view.height - view.horizon)
    for index in range(-count, count + 1):
        x = vanishing + (index + 0.5) * spacing
        sketch.line((vanishing + (x - vanishing) * share, top), (x, view.height), joint)
    nearest = 1.0 / (view.height - view.horizon)
    farthest = 1.0 / (top - view.horizon)
    joints = max(4, int(9 / size))
    for inverse in np.linspace(nearest, farthest, joints):
        y = view.horizon + 1.0 / inverse
        sketch.line((0, y), (view.width, y), joint)


def _draw_road(sketch: Sketch, view: View, generator: np.random.Generator, top: float, bottom: float) -> None:
    asphalt = ASPHALTS[int(generator.integers(len(ASPHALTS)))]
    sketch.box(0, top, view.width, bottom, asphalt)
    kerb = (186, 182, 174)
    sketch.box(0, top - 0.004 * view.height, view.width, top + 0.004 * view.height, shaded(kerb, 0.8))
    sketch.box(0, bottom, view.width, bottom + 0.012 * view.height, kerb)
    middle = (top + bottom) / 2
    metre = view.metre(middle)
    start = generator.uniform(-2, 0) * metre
    for x in np.arange(start, view.width, 4 * metre):
        sketch.box(x, middle, x + 2 * metre, middle + 0.08 * metre, (206, 204, 196))


def _draw_stains(
    sketch: Sketch, view: View, generator: np.random.Generator, top: float, paving: Colour
) -> None:
    """Draw worn patches and covers, flat on the ground."""
    for _ in range(int(generator.integers(2, 6))):
        y = generator.uniform(top + 2, view.height)
        x, size = generator.uniform(0, view.width), view.metre(y) * generator.uniform(0.2, 0.7)
        sketch.blob(x, y, size, 0.25 * size, shaded(paving, generator.uniform(0.72, 0.95)))
