"""Pictures with boxes and numbers drawn into them."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from person_search.networks.network import Picture

MOST_SIDE = 1600
"""Pixels: larger pictures are made smaller."""
LINE_SHARE, TEXT_SHARE = 0.004, 0.028
"""Width of a line and height of a number, of the longer side."""
LEAST_LINE, LEAST_TEXT = 2, 12
"""The same in pixels, at least."""
COLOURS = ("#ffd400", "#00c2ff", "#ff5ca8", "#5dd65d", "#ff8c1a", "#b388ff")
INK = "#101010"
QUALITY = 88


def with_boxes(
    picture: Picture, boxes: npt.NDArray[np.floating], labels: Sequence[str], first_on_top: bool = True
) -> Image.Image:
    """Draw boxes with labels into a picture.

    Args:
        picture: `[h, w, 3]`.
        boxes: `[N, 4]` x1 y1 x2 y2, in its pixels.
        labels: N short texts; an empty one is not drawn.
        first_on_top: whether a box covers those that come after it.

    Returns:
        An image of at most `MOST_SIDE` pixels a side.
    """
    image = Image.fromarray(picture)
    factor = min(1.0, MOST_SIDE / max(image.size))
    if factor < 1:
        image = image.resize([max(1, round(side * factor)) for side in image.size])
    draw = ImageDraw.Draw(image)
    line = max(LEAST_LINE, round(LINE_SHARE * max(image.size)))
    font = picture_font(max(LEAST_TEXT, round(TEXT_SHARE * max(image.size))))
    order = range(len(boxes))
    for place in reversed(order) if first_on_top else order:
        colour = COLOURS[place % len(COLOURS)]
        x1, y1, x2, y2 = (float(value) * factor for value in boxes[place])
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=line)
        if labels[place]:
            _tag(draw, (x1, y1), labels[place], font, colour)
    return image


def as_jpeg(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _tag(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    colour: str,
) -> None:
    """Write a label above a box's upper left corner, or inside the box where there is no room above."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x, y = max(0.0, corner[0]), corner[1] - height
    y = corner[1] if y < 0 else y
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 3 - left, y + 3 - top), text, fill=INK, font=font)


@cache
def picture_font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return Pillow's own font of a size in pixels, so that pictures are the same on all machines."""
    return ImageFont.load_default(size)


def as_png(image: Image.Image, made_by: str) -> bytes:
    """Return an image as a PNG file, whose beginning says which program made it."""
    file, says = BytesIO(), PngInfo()
    says.add_text("Software", made_by)
    image.save(file, "PNG", pnginfo=says)
    return file.getvalue()
