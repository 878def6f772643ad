"""What all figures share: fonts, colours, and PNGs that are the same byte for byte."""

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
"""How many shades a colour channel may have; fewer are tried until a figure is small enough."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so figures do not depend on the fonts of a machine."""
WEIGHTS = ("normal", "bold")
INK = "#222222"
GREY = "#777777"
FAINT = "#e4e4e4"
BLUE, GREEN, RED = "#1f5fbf", "#1a9641", "#d7301f"
STUDENT_COLOURS = ("#d95f02", "#1f78b4", "#7570b3", "#1b9e77", "#e7298a", "#66a61e")
"""Colours of the students in their order. People who cannot see red or green can tell them apart too."""
STUDENT_STYLES = ("--", "-", "-.", ":")
TEACHER_COLOUR = "#444444"

STUDENT_TITLES = {
    "baseline": "no teacher (OIM)",
    "kd_detector": "detector teacher",
    "kd_lut": "re-ID teacher's table",
    "kd_both": "table and detector",
}
"""A short title of each student of the default run; another student is shown by its name."""

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
    """Draw with our own settings instead of those of the user's matplotlibrc."""
    with style.context(["default", SETTINGS]):
        yield


def png(figure: Figure, largest: int | None = None) -> bytes:
    """Return a figure as a PNG without dates and program names, so that equal figures give equal bytes.

    Args:
        figure: what to draw.
        largest: the most bytes that the PNG should have; None for any number. The noise of photographs does
            not compress, so colours are rounded to fewer and fewer `SHADES` until the PNG fits. A PNG that is
            still too large with the fewest stays so.
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
    """Return a user's text in which a box stands for each character that the font cannot draw.

    matplotlib draws such a box too, but warns about each.
    """
    glyphs = _glyphs()
    return "".join(char if char == "\n" or ord(char) in glyphs else NO_GLYPH for char in text)


def legend_text(text: str) -> str:
    """Return a drawable text for a legend.

    matplotlib leaves out labels that begin with `_`, so these get a space in front.
    """
    return f" {drawable(text)}" if text.startswith("_") else drawable(text)


@cache
def _glyphs() -> frozenset[int]:
    """Return the characters that the font has both in normal and in bold weight."""
    files = (
        font_manager.findfont(font_manager.FontProperties(family=FONT, weight=weight)) for weight in WEIGHTS
    )
    light, bold = (font_manager.get_font(file).get_charmap() for file in files)
    return frozenset(light) & frozenset(bold)


def student_colour(index: int) -> str:
    """Return the colour of a student by its place in the table."""
    return STUDENT_COLOURS[index % len(STUDENT_COLOURS)]


def student_style(index: int) -> str:
    """Return the line style of a student by its place in the table."""
    return STUDENT_STYLES[index % len(STUDENT_STYLES)]
