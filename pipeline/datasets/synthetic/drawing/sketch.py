"""A picture for flat shapes. It is drawn enlarged and then reduced, so that edges are smooth."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from pipeline.datasets.synthetic.drawing.palette import Colour

SUPERSAMPLING = 2


class Sketch:
    """Draws polygons and lines; all coordinates are pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        """Start an empty picture of `width` x `height` pixels."""
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * SUPERSAMPLING, height * SUPERSAMPLING))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, corners: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in corners], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        corners = (
            left * SUPERSAMPLING,
            top * SUPERSAMPLING,
            right * SUPERSAMPLING - 1,
            bottom * SUPERSAMPLING - 1,
        )
        if corners[2] >= corners[0] and corners[3] >= corners[1]:
            self._draw.rectangle(corners, fill=colour)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float = 0.5
    ) -> None:
        """Draw a line `width` pixels wide."""
        ends = [value * SUPERSAMPLING for value in (*start, *end)]
        self._draw.line(ends, fill=colour, width=max(1, round(width * SUPERSAMPLING)))

    def blob(self, x: float, y: float, radius_x: float, radius_y: float, colour: Colour) -> None:
        """Fill an ellipse."""
        corners = (x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        self._draw.ellipse([value * SUPERSAMPLING for value in corners], fill=colour)

    def fade(self, top: float, bottom: float, first: Colour, last: Colour) -> None:
        """Fill a band of the whole width with a colour gradient from top to bottom."""
        start, stop = round(top * SUPERSAMPLING), round(bottom * SUPERSAMPLING)
        if stop <= start:
            return
        share = np.linspace(0.0, 1.0, stop - start)[:, None]
        colours = (np.array(first) * (1 - share) + np.array(last) * share).round().astype(np.uint8)
        band = Image.fromarray(colours[:, None, :])
        self._image.paste(
            band.resize((self._image.width, stop - start), Image.Resampling.NEAREST), (0, start)
        )

    def finished(self) -> Image.Image:
        """Return the picture, reduced to its size."""
        return self._image.reduce(SUPERSAMPLING)
