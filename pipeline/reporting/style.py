"""What all pictures have in common: fonts, colours, and PNGs that are the same byte for byte."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import font_manager, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 96
SHADES = (32, 28, 25, 22, 19, 16, 12, 8, 5)
"""Shades of a colour channel, fewer and fewer, for a picture that is to take less room."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so pictures do not depend on the fonts of a machine."""
WEIGHTS = ("normal", "bold")
INK = "#222222"
GREY = "#777777"
FAINT = "#e4e4e4"
BLUE, GREEN, RED = "#1f5fbf", "#1a9641", "#d7301f"
ROW_COLOURS = ("#d95f02", "#1f78b4", "#7570b3", "#1b9e77", "#e7298a", "#66a61e")
"""Colours of the rows in their order; tell apart for people who see no red or green as well."""
ROW_STYLES = ("--", "-", "-.", ":")
TEACHER_COLOUR = "#444444"

ROW_TITLES = {
    "baseline": "no teacher (OIM)",
    "kd_detector": "detector teacher",
    "kd_lut": "re-ID teacher's table",
    "kd_both": "table and detector",
}
"""What the rows of the default run are in a word; another row goes by its name."""

SETTINGS: dict[str, Any] = {
    "font.family": FONT,
    "figure.dpi": DPI,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.parse_math": False,  # a name may have dollar signs
}
NO_GLYPH = "□"


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with our own settings, whatever the user's matplotlibrc says."""
    with style.context(["default", SETTINGS]):
        yield


def png(figure: Figure, largest: int | None = None) -> bytes:
    """Return a figure as PNG without dates and program names: equal figures give equal bytes.

    Args:
        figure: what to draw.
        largest: bytes that the PNG may have. Photographs, whose noise does not compress, are rounded to fewer
            shades until it has. With the fewest of `SHADES` it stays as large as it is.
    """
    width, height = FigureCanvasAgg(figure).get_width_height()
    raw = BytesIO()
    figure.savefig(raw, format="rgba")
    pixels = np.frombuffer(raw.getvalue(), dtype=np.uint8).reshape(height, width, 4)[..., :3]
    encoded = _encoded(pixels)
    for shades in SHADES:
        if largest is None or len(encoded) <= largest:
            break
        step = 255 / (shades - 1)
        encoded = _encoded(np.round(np.round(pixels / step) * step).astype(np.uint8))
    return encoded


def _encoded(pixels: npt.NDArray[np.uint8]) -> bytes:
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG", optimize=True)
    return encoded.getvalue()


def drawable(text: str) -> str:
    """Return a text that a person gave with a box for each character that the font has no picture of.

    matplotlib draws such a box too, but warns of each.
    """
    glyphs = _glyphs()
    return "".join(char if char == "\n" or ord(char) in glyphs else NO_GLYPH for char in text)


def legend_text(text: str) -> str:
    """Return a drawable text for a legend, which leaves out those that begin with `_`."""
    return f" {drawable(text)}" if text.startswith("_") else drawable(text)


@cache
def _glyphs() -> frozenset[int]:
    """Return the characters that the font has, light and bold."""
    files = (
        font_manager.findfont(font_manager.FontProperties(family=FONT, weight=weight)) for weight in WEIGHTS
    )
    light, bold = (font_manager.get_font(file).get_charmap() for file in files)
    return frozenset(light) & frozenset(bold)


def row_colour(index: int) -> str:
    """Return the colour of a row by its place in the table."""
    return ROW_COLOURS[index % len(ROW_COLOURS)]


def row_style(index: int) -> str:
    """Return the line style of a row by its place in the table."""
    return ROW_STYLES[index % len(ROW_STYLES)]
