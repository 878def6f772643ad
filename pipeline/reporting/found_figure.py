"""The figure of a search in people's own pictures: the person looked for, and the hits, best first."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.inference.finding import Hit
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.reporting.cut_out import Picture, cut_out
from pipeline.reporting.style import BLUE, GREY, INK, drawable, drawing, png
from pipeline.scenes.scene import FloatArray

TILE_WIDTH, TILE_HEIGHT = 1.3, 2.0
"""Inches."""
COLUMNS = 6
CONTEXT = 1.5
"""Height of a cut-out in heights of its box."""
NAME_LENGTH = 20
MOST_DRAWN = 119
"""Hits. A figure of thousands would be larger than can be drawn."""
MOST_TALL = 600
"""Pixels of a box's height that are used; its tile has fewer."""
Cut = tuple[Picture, FloatArray]
"""A cut-out, and the box in its pixels."""


def found_figure(query: Path, box: FloatArray, hits: Sequence[Hit]) -> bytes:
    """Draw the person looked for, then the hits in their order, with some surroundings. Returns a PNG.

    Args:
        query: the picture that shows the person.
        box: `[4]` pixels, the person there.
        hits: best first, may be empty. The first `MOST_DRAWN` are drawn.

    Raises:
        UserError: a picture can no longer be read.
    """
    hits = hits[:MOST_DRAWN]
    tiles = 1 + len(hits)
    columns = min(COLUMNS, tiles)
    lines = -(-tiles // columns)
    cuts = _cuts([(query, box), *((hit.path, hit.box) for hit in hits)])
    with drawing():
        figure = Figure(figsize=(columns * TILE_WIDTH, lines * TILE_HEIGHT), layout="constrained")
        axes = np.atleast_1d(figure.subplots(lines, columns, squeeze=False).ravel())
        for unused in axes[tiles:]:
            unused.set_axis_off()
        _tile(axes[0], cuts[0], "looked for", _short(query), BLUE)
        for rank, (place, cut, hit) in enumerate(zip(axes[1:], cuts[1:], hits, strict=False), start=1):
            _tile(place, cut, f"{rank}: {hit.similarity:.2f}", _short(hit.path), INK)
        return png(figure)


def _cuts(wanted: Sequence[tuple[Path, FloatArray]]) -> list[Cut]:
    """Cut boxes out of their pictures. Each picture is read once, and only one is in memory at a time."""
    cuts: dict[int, Cut] = {}
    for path in dict.fromkeys(path for path, _ in wanted):
        picture = read_picture(path)
        for place, (there, box) in enumerate(wanted):
            if there == path:
                cuts[place] = _cut(picture.pixels, box * picture.scale)
    return [cuts[place] for place in range(len(wanted))]


def _cut(pixels: Picture, box: FloatArray) -> Cut:
    """Cut a box out. Of a box much larger than its tile, only every second, third, ... pixel is taken."""
    aspect = TILE_WIDTH / TILE_HEIGHT
    width, height = box[2:] - box[:2]
    step = max(1, math.ceil(max(height, width / aspect) / MOST_TALL))
    return cut_out(pixels[::step, ::step], box / step, CONTEXT, aspect)


def _tile(axes: Axes, cut_and_box: Cut, title: str, below: str, colour: str) -> None:
    cut, inner = cut_and_box
    axes.imshow(cut)
    left, upper, right, lower = inner
    frame = Rectangle((left, upper), right - left, lower - upper, fill=False, edgecolor=colour, linewidth=1.2)
    axes.add_patch(frame)
    axes.set_title(title, color=colour, loc="center")
    axes.set_xlabel(below, fontsize=6, color=GREY)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


def _short(path: Path) -> str:
    """Return a drawable file name; a long one loses its middle."""
    name = drawable(printable(path.name))
    half = NAME_LENGTH // 2
    return name if len(name) <= NAME_LENGTH else f"{name[:half]}…{name[-half:]}"
