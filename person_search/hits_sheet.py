"""The people looked for and the hits, cut out, as one picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from person_search.drawing import picture_font
from person_search.hits import Hit
from person_search.networks.network import Picture
from person_search.sources.rereading import read_again
from pipeline.reporting.cut_out import cut_out
from pipeline.scenes.scene import FloatArray

TILE = (130, 200)
"""Width and height of a cut-out, in pixels."""
TEXT, GAP = 20, 8
"""Height of a title, and the room between tiles, in pixels."""
COLUMNS = 6
CONTEXT = 1.5
"""Height of a cut-out in heights of its box."""
MOST_DRAWN = 119
"""Hits. A sheet of thousands would be larger than can be looked at."""
MOST_TALL = 3 * TILE[1]
"""Pixels of a box's height that are used."""
BLUE, INK, PAPER = "#1f5fbf", "#222222", "#ffffff"


@dataclass(frozen=True)
class Cut:
    """A person with some surroundings.

    Attributes:
        pixels: `[h, w, 3]`.
        box: `[4]` of the person, in its pixels.
    """

    pixels: Picture
    box: FloatArray


def hits_sheet(queries: Sequence[Hit], hits: Sequence[Hit]) -> Image.Image:
    """Draw the person looked for, in one or several pictures, then the hits in their order.

    Args:
        queries: where the person looked for is.
        hits: best first, may be empty; the first `MOST_DRAWN` are drawn.

    Raises:
        UserError: a picture can no longer be read.
    """
    hits = hits[:MOST_DRAWN]
    cuts = cut_outs([*queries, *hits])
    titles = ["looked for"] * len(queries)
    titles += [f"{rank}: {hit.similarity:.2f}" for rank, hit in enumerate(hits, start=1)]
    columns = min(COLUMNS, len(cuts))
    lines = math.ceil(len(cuts) / columns)
    width, height = TILE[0] + GAP, TILE[1] + TEXT + GAP
    sheet = Image.new("RGB", (columns * width + GAP, lines * height + GAP), PAPER)
    for place, (cut, title) in enumerate(zip(cuts, titles, strict=True)):
        line, column = divmod(place, columns)
        colour = BLUE if place < len(queries) else INK
        corner = (GAP + column * width, GAP + line * height)
        sheet.paste(_tile(cut, title, colour, picture_font(TEXT - 6)), corner)
    return sheet


def cut_outs(people: Sequence[Hit]) -> list[Cut]:
    """Cut people out of their pictures, in their order. Each source is read once.

    Raises:
        UserError: a picture can no longer be read.
    """
    cuts: dict[int, Cut] = {}
    places = read_again(range(len(people)), lambda place: (people[place].source, people[place].frame))
    for place, shown in places:
        cuts[place] = _cut(shown.pixels, np.array(people[place].box) * shown.scale)
    return [cuts[place] for place in range(len(people))]


def _cut(pixels: Picture, box: FloatArray) -> Cut:
    """Cut a box out. Of a box much larger than its tile, only every second, third, ... pixel is taken."""
    aspect = TILE[0] / TILE[1]
    width, height = box[2:] - box[:2]
    step = max(1, math.ceil(max(height, width / aspect) / MOST_TALL))
    return Cut(*cut_out(pixels[::step, ::step], box / step, CONTEXT, aspect))


def framed(cut: Cut, colour: str, size: tuple[int, int] = TILE) -> Image.Image:
    """Return a cut-out at a size, with its box drawn."""
    image = Image.fromarray(cut.pixels).resize(size, Image.Resampling.LANCZOS)
    across, down = size[0] / cut.pixels.shape[1], size[1] / cut.pixels.shape[0]
    left, upper, right, lower = (cut.box * [across, down, across, down]).tolist()
    # Pillow draws both edges, and refuses a rectangle that ends before it begins.
    corners = (left, upper, max(left, right - 1), max(upper, lower - 1))
    ImageDraw.Draw(image).rectangle(corners, outline=colour, width=2)
    return image


def _tile(
    cut: Cut, title: str, colour: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> Image.Image:
    tile = Image.new("RGB", (TILE[0], TILE[1] + TEXT), PAPER)
    tile.paste(framed(cut, colour), (0, TEXT))
    ImageDraw.Draw(tile).text((TILE[0] / 2, TEXT / 2), title, fill=colour, font=font, anchor="mm")
    return tile
