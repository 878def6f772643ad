"""The place behind the people: a front of shops, an avenue, or a square with trees."""

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
"""Strength of the unevenness of walls and ground, as a fraction of their colour."""

FOOT_SHADE, FOOT_SHADE_REACH = 0.25, 0.03
"""Darkness of the edge between wall and ground, and its reach as a fraction of the picture's height."""

Place = Callable[[Sketch, View, np.random.Generator], float]
"""A function that draws one kind of place, and returns the y at which its ground begins."""

PLACES: tuple[Place, ...] = (draw_shopfronts, draw_avenue, draw_square)


def draw_street(view: View, generator: np.random.Generator) -> Image.Image:
    """Draw an empty street.

    Args:
        view: the camera's view, which gives ground, horizon and the picture's size.
        generator: chooses the street.
    """
    sketch = Sketch(view.width, view.height)
    foot = PLACES[int(generator.integers(len(PLACES)))](sketch, view, generator)
    picture = sketch.finished()
    x, y = (int(value) for value in generator.integers(GRAIN_SIZE, size=2))
    light = 1.0 + ROUGHNESS * grain_window((x, y), view.width, view.height)
    from_foot = np.abs(np.arange(view.height, dtype=np.float32) - foot) / (FOOT_SHADE_REACH * view.height)
    light *= (1.0 - FOOT_SHADE * np.exp(-from_foot))[:, None]
    pixels = scaled(picture, light)
    np.clip(pixels, 0, 255, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8))
