"""A picture as the input of a detector, and the way back from boxes in the input to boxes in the picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from person_search.detectors.description import DetectorDescription
from person_search.networks.network import Floats, Picture

FILLED = 114
"""The grey, 0..255, beside a picture that does not fill the input: that of the YOLO programs."""


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the input: a pixel (x, y) of it lies at `corner + factors * (x, y)`.

    Attributes:
        corner: (left, top) in pixels of the input.
        factors: (width, height), how much larger it is there.
    """

    corner: tuple[int, int]
    factors: tuple[float, float]

    def in_picture(self, boxes: Floats) -> Floats:
        """Return boxes `[N, 4]` in pixels of the input as boxes in pixels of the picture."""
        corner, factors = np.tile(self.corner, 2), np.tile(self.factors, 2)
        placed: Floats = ((boxes.astype(np.float64) - corner) / factors).astype(np.float32)
        return placed


def placed(
    picture: Picture, description: DetectorDescription, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], Placement]:
    """Return the input `[1, 3, H, W]` of a picture, and where the picture lies in it.

    Pillow's bilinear filter resizes it, which takes the mean over what becomes one pixel.

    Args:
        picture: `[h, w, 3]`.
        description: of the detector.
        size: (H, W).
    """
    height, width = size
    rows, columns = picture.shape[:2]
    inner = (width, height)
    if description.fit == "letterbox":
        factor = min(width / columns, height / rows)
        inner = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    pixels = np.full((height, width, 3), FILLED, dtype=np.uint8)
    resized = Image.fromarray(picture).resize(inner, Image.Resampling.BILINEAR)
    pixels[top : top + inner[1], left : left + inner[0]] = np.asarray(resized)
    if description.channels == "bgr":
        pixels = pixels[:, :, ::-1]
    values = pixels * (description.scale / 255) - np.array(description.mean)
    values /= np.array(description.std)
    return values.transpose(2, 0, 1)[None], Placement((left, top), (inner[0] / columns, inner[1] / rows))
