"""The place behind the people: a row of shops, an avenue, or a square with trees."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from pipeline.datasets.synthetic.drawing.avenue import draw_avenue
from pipeline.datasets.synthetic.drawing.camera import View
from pipeline.datasets.synthetic.drawing.cloth import GRAIN_SIZE, grain_window, scaled
from pipeline.datasets.synthetic.drawing.shopfronts import draw_shopfronts
from pipeline.datasets.synthetic.drawing.sketch import Sketch
from pipeline.datasets.synthetic.drawing.square import draw_square

ROUGHNESS = 0.03
"""How uneven walls and ground are, as a fraction of their colour."""

FOOT_SHADE, FOOT_SHADE_REACH = 0.25, 0.03
"""How dark the edge between wall and ground is, and its reach as a fraction of the picture's height."""

Place = Callable[[Sketch, View, np.random.Generator], float]
"""Draws one kind of place; returns y of where its ground begins."""

PLACES: tuple[Place, ...] = (draw_shopfronts, draw_avenue, draw_square)


def draw_street(view: View, generator: np.random.Generator) -> Image.Image:
    """Draw an empty street.

    Args:
        view: of the camera; says where the ground and the horizon are, and the picture's size.
        generator: what the street looks like.
    """
    sketch = Sketch(view.width, view.height)
    foot = PLACES[int(generator.integers(len(PLACES)))](sketch, view, generator)
    picture = sketch.finished()
    column, row = (int(value) for value in generator.integers(GRAIN_SIZE, size=2))
    light = 1.0 + ROUGHNESS * grain_window((column, row), view.width, view.height)
    from_foot = np.abs(np.arange(view.height, dtype=np.float32) - foot) / (FOOT_SHADE_REACH * view.height)
    light *= (1.0 - FOOT_SHADE * np.exp(-from_foot))[:, None]
    pixels = scaled(picture, light)
    np.clip(pixels, 0, 255, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8))
