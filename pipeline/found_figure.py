"""The picture of one search in one's own pictures: the person looked for, and who was found, best first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.data.scenes.scene import FloatArray
from pipeline.finding import Hit, read_picture
from pipeline.reporting.cut_out import cut_out
from pipeline.reporting.style import BLUE, GREY, INK, drawing, png

TILE_WIDTH, TILE_HEIGHT = 1.3, 2.0
"""Inches."""
COLUMNS = 6
CONTEXT = 1.5
"""Height of a cut-out in heights of its box."""
NAME_LENGTH = 20


def found_figure(query: Path, box: FloatArray, hits: Sequence[Hit]) -> bytes:
    """Draw the person looked for, then the hits in their order, each with its surroundings. Returns a PNG.

    Args:
        query: the picture that shows the person.
        box: `[4]` pixels, the person there.
        hits: what was found, best first; may be empty.
    """
    tiles = 1 + len(hits)
    columns = min(COLUMNS, tiles)
    rows = -(-tiles // columns)
    with drawing():
        figure = Figure(figsize=(columns * TILE_WIDTH, rows * TILE_HEIGHT), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
        for unused in axes[tiles:]:
            unused.set_axis_off()
        _tile(axes[0], read_picture(query), box, "looked for", _short(query), BLUE)
        for rank, (place, hit) in enumerate(zip(axes[1:], hits, strict=False), start=1):
            title = f"{rank}: {hit.similarity:.2f}"
            _tile(place, read_picture(hit.path), hit.box, title, _short(hit.path), INK)
        return png(figure)


def _tile(
    axes: Axes, picture: npt.NDArray[np.uint8], box: FloatArray, title: str, below: str, colour: str
) -> None:
    cut, inner = cut_out(picture, box, CONTEXT, TILE_WIDTH / TILE_HEIGHT)
    axes.imshow(cut)
    left, upper, right, lower = inner
    frame = Rectangle((left, upper), right - left, lower - upper, fill=False, edgecolor=colour, linewidth=1.2)
    axes.add_patch(frame)
    axes.set_title(title, color=colour, loc="center")
    axes.set_xlabel(below, fontsize=6, color=GREY)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def _short(path: Path) -> str:
    """Return a file name, its middle left out where it is long."""
    name = path.name
    half = NAME_LENGTH // 2
    return name if len(name) <= NAME_LENGTH else f"{name[:half]}…{name[-half:]}"
