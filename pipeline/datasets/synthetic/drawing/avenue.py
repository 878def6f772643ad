"""A street that runs away from the camera, between houses on both sides."""

import numpy as np

from pipeline.datasets.synthetic.drawing.camera import PERSON_METRES, View
from pipeline.datasets.synthetic.drawing.ground import ASPHALTS, draw_ground
from pipeline.datasets.synthetic.drawing.palette import Colour, shaded
from pipeline.datasets.synthetic.drawing.shopfronts import GLASS, TRIMS, WALLS
from pipeline.datasets.synthetic.drawing.sketch import Sketch

SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((132, 166, 206), (202, 214, 222)),
    ((188, 192, 196), (214, 214, 212)),
    ((160, 176, 190), (226, 208, 184)),
)

FARTHEST = 9.0
"""Distance of the end of the street, relative to that of the houses at the picture's edge."""


def draw_sky(sketch: Sketch, view: View, generator: np.random.Generator) -> None:
    """Draw the sky down to the horizon."""
    top, low = SKIES[int(generator.integers(len(SKIES)))]
    sketch.fade(0, view.horizon + 2, top, low)


def draw_avenue(sketch: Sketch, view: View, generator: np.random.Generator) -> float:
    """Draw the place, and return the y of the walls' feet at the picture's edge."""
    draw_sky(sketch, view, generator)
    vanishing = generator.uniform(0.3, 0.7) * view.width
    draw_ground(sketch, view, generator, view.horizon + 1.5, vanishing)
    _draw_lane(sketch, view, generator, vanishing)
    end = (view.farthest - view.horizon) / FARTHEST
    block = shaded(WALLS[int(generator.integers(len(WALLS)))], 1.05)
    sketch.box(vanishing - 9 * end, view.horizon - 5 * end, vanishing + 9 * end, view.horizon + end, block)
    for edge in (0.0, float(view.width)):
        _draw_side(sketch, view, generator, vanishing, edge)
    return view.farthest


def _draw_lane(sketch: Sketch, view: View, generator: np.random.Generator, vanishing: float) -> None:
    asphalt = ASPHALTS[int(generator.integers(len(ASPHALTS)))]
    half, shift = generator.uniform(0.35, 0.7) * view.width, generator.uniform(-0.3, 0.3) * view.width
    left, right = vanishing + shift - half, vanishing + shift + half
    tip = (vanishing, view.horizon + 1)
    kerb, margin = (188, 184, 176), 0.03 * view.width
    sketch.polygon([tip, (left - margin, view.height), (right + margin, view.height)], kerb)
    sketch.polygon([tip, (left, view.height), (right, view.height)], asphalt)
    depth = view.height - view.horizon
    for far in (1.15, 1.6, 2.3, 3.4, 5.2, 8.0):
        near_y, far_y = view.horizon + depth / far, view.horizon + depth / (1.18 * far)
        centre, width = shift, 0.012 * view.width
        corners = [
            (vanishing + (centre - width) / far, near_y),
            (vanishing + (centre + width) / far, near_y),
            (vanishing + (centre + width) / (1.18 * far), far_y),
            (vanishing + (centre - width) / (1.18 * far), far_y),
        ]
        sketch.polygon(corners, (208, 206, 198))


def _draw_side(
    sketch: Sketch, view: View, generator: np.random.Generator, vanishing: float, edge: float
) -> None:
    """Draw the houses along one side, up to x = `edge`, the picture's side."""
    camera_metres = PERSON_METRES / view.rise

    def place(far: float, up: float) -> tuple[float, float]:
        """Return the pixel of a point `far` times as far as the edge and `up` metres above the ground."""
        drop = (view.farthest - view.horizon) / far
        return vanishing + (edge - vanishing) / far, view.horizon + drop * (1 - up / camera_metres)

    def panel(near: float, far: float, low: float, high: float, colour: Colour) -> None:
        sketch.polygon([place(near, low), place(near, high), place(far, high), place(far, low)], colour)

    near, light = 1.0, generator.uniform(0.78, 1.1)
    while near < FARTHEST:
        far = near * generator.uniform(1.25, 1.7)
        wall = shaded(WALLS[int(generator.integers(len(WALLS)))], light)
        trim = shaded(TRIMS[int(generator.integers(len(TRIMS)))], light)
        glass = shaded(GLASS[int(generator.integers(len(GLASS)))], light)
        panel(near, far, 0.0, generator.uniform(5.0, 11.0), wall)
        panel(near, far, 0.0, 2.8, trim)
        panel(near, far, 2.8, 3.1, shaded(trim, 1.3))
        steps = np.linspace(near, far, 5)
        for index in (0, 2):
            first, last = (
                steps[index] + 0.2 * (steps[1] - steps[0]),
                steps[index + 1] + 0.3 * (steps[1] - steps[0]),
            )
            panel(first, last, 0.4, 2.3, glass)
            for floor in (3.8, 6.6):
                panel(first, last, floor, floor + 1.4, shaded(glass, 1.15))
        near = far
