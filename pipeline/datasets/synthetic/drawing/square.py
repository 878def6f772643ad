"""A square or park: sky, a far skyline, trees, a hedge and paving."""

import numpy as np

from pipeline.datasets.synthetic.drawing.avenue import draw_sky
from pipeline.datasets.synthetic.drawing.camera import View
from pipeline.datasets.synthetic.drawing.ground import LAWNS, draw_ground
from pipeline.datasets.synthetic.drawing.palette import Colour, shaded
from pipeline.datasets.synthetic.drawing.shopfronts import WALLS
from pipeline.datasets.synthetic.drawing.sketch import Sketch

LEAVES: tuple[Colour, ...] = ((70, 98, 56), (88, 112, 60), (60, 88, 62), (132, 122, 58))


def draw_square(sketch: Sketch, view: View, generator: np.random.Generator) -> float:
    """Draw the place, and return the y at which its ground begins."""
    draw_sky(sketch, view, generator)
    foot = view.horizon + 0.75 * (view.farthest - view.horizon)
    draw_ground(sketch, view, generator, foot, generator.uniform(-0.2, 1.2) * view.width)
    _draw_skyline(sketch, view, generator)
    lawn = LAWNS[int(generator.integers(len(LAWNS)))]
    sketch.box(0, view.horizon, view.width, foot, shaded(lawn, 0.9))
    for _ in range(int(generator.integers(4, 9))):
        _draw_tree(sketch, view, generator, foot)
    if generator.random() < 0.6:
        hedge = shaded(LEAVES[int(generator.integers(len(LEAVES)))], 0.8)
        tall = view.metre(foot)
        sketch.box(0, foot - tall, view.width, foot, hedge)
        columns = np.arange(0, view.width, 0.25 * tall)
        table = generator.uniform((0.1, 0.1, 0.85), (1.0, 0.25, 1.3), size=(len(columns), 3)).tolist()
        for x, (up, size, light) in zip(columns.tolist(), table, strict=True):
            sketch.blob(x, foot - up * tall, size * tall, size * tall, shaded(hedge, light))
    return foot


def _draw_skyline(sketch: Sketch, view: View, generator: np.random.Generator) -> None:
    x = -10.0
    while x < view.width:
        width = generator.uniform(0.06, 0.16) * view.width
        top = view.horizon * generator.uniform(0.05, 0.75)
        wall = WALLS[int(generator.integers(len(WALLS)))]
        pale: Colour = (
            round(0.55 * wall[0] + 0.45 * 190),
            round(0.55 * wall[1] + 0.45 * 198),
            round(0.55 * wall[2] + 0.45 * 206),
        )
        sketch.box(x, top, x + width, view.horizon + 1, pale)
        step = 0.03 * view.height
        dim = shaded(pale, 0.82)
        for window_y in np.arange(top + 0.5 * step, view.horizon - 0.5 * step, step).tolist():
            for window_x in np.arange(x + 0.4 * step, x + width - 0.6 * step, 0.8 * step).tolist():
                sketch.box(window_x, window_y, window_x + 0.4 * step, window_y + 0.5 * step, dim)
        x += width


def _draw_tree(sketch: Sketch, view: View, generator: np.random.Generator, foot: float) -> None:
    metre = view.metre(foot) * generator.uniform(0.7, 1.0)
    base = foot - generator.uniform(0.0, 0.3) * (foot - view.horizon)
    x, height = generator.uniform(0, view.width), generator.uniform(3.0, 5.0) * metre
    sketch.box(x - 0.12 * metre, base - height, x + 0.12 * metre, base, (86, 68, 52))
    leaf = LEAVES[int(generator.integers(len(LEAVES)))]
    table = generator.normal((0.0, 0.0, 0.35, 0.9), (0.75, 0.65, 0.09, 0.08), size=(36, 4)).tolist()
    for across, up, spread, light in table:
        size = max(0.1, spread)
        tone = shaded(leaf, min(1.4, max(0.6, light + 0.18 * up)))
        sketch.blob(x + across * metre, base - height - up * metre, size * metre, 0.85 * size * metre, tone)
