"""What all pictures have in common: fonts, colours, and PNGs that are the same byte for byte."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 130
FONT = "DejaVu Sans"
"""Comes with matplotlib, so pictures do not depend on the fonts of a machine."""
INK = "#222222"
GREY = "#777777"
FAINT = "#e4e4e4"
BLUE, GREEN, RED = "#1f5fbf", "#1a9641", "#d7301f"
ROW_COLOURS = ("#d95f02", "#1f78b4", "#7570b3", "#1b9e77", "#e7298a", "#66a61e")
"""Colours of the rows in their order; tell apart for people who see no red or green as well."""
ROW_STYLES = ("--", "-", "-.", ":")
TEACHER_COLOUR = "#444444"

ROW_TITLES = {"baseline": "no teacher (OIM)", "kd_lut": "teacher's table"}
"""What the rows are in a word, for those that every run has."""

SETTINGS = {
    "font.family": FONT,
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
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with our own settings, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def png(figure: Figure) -> bytes:
    """Return a figure as PNG without dates and program names: equal figures give equal bytes."""
    encoded = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(encoded, format="png", dpi=DPI, metadata={"Software": None})
    return encoded.getvalue()


def row_colour(index: int) -> str:
    """Return the colour of a row by its place in the table."""
    return ROW_COLOURS[index % len(ROW_COLOURS)]


def row_style(index: int) -> str:
    """Return the line style of a row by its place in the table."""
    return ROW_STYLES[index % len(ROW_STYLES)]
