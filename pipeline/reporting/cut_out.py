"""Cutting a person, with some surroundings, out of a picture."""

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray

Picture = npt.NDArray[np.uint8]
"""`[H, W, 3]`."""

LEAST_CONTEXT = 1.04
"""Heights of the box that a cut-out has at least, so that its frame can be seen."""
PADDING = 225
"""The grey that stands for everything beyond a picture's border."""


def cut_out(picture: Picture, box: FloatArray, context: float, aspect: float) -> tuple[Picture, FloatArray]:
    """Cut a box, with some surroundings, out of a picture.

    Args:
        picture: `[H, W, 3]`.
        box: `[4]` pixels. It lies in the middle of the cut-out, or off it where the picture's border is near.
        context: height of the cut-out in heights of the box. The cut-out is smaller where the picture is, and
            higher where the box is too wide for it.
        aspect: width of the cut-out over its height.

    Returns:
        The cut-out, and `[4]` the box in its pixels. Where the box needs more than the picture has, the part
        beyond the picture is grey.
    """
    width, height = box[2:] - box[:2]
    tall, wide = picture.shape[:2]
    needed = max(height, width / aspect) * LEAST_CONTEXT
    tall_enough = max(min(context * height, tall, wide / aspect), needed, 2.0)
    size = np.array([max(1, round(tall_enough * aspect)), round(tall_enough)])
    shape = np.array([wide, tall])
    # A cut-out that fits is moved into the picture; one that does not fit is centred on it.
    corner = np.round((box[:2] + box[2:] - size) / 2).astype(int)
    corner = np.where(size <= shape, np.clip(corner, 0, np.maximum(shape - size, 0)), (shape - size) // 2)
    result = np.full((size[1], size[0], 3), PADDING, dtype=np.uint8)
    first, last = np.maximum(corner, 0), np.minimum(corner + size, shape)
    left, upper = first - corner
    right, lower = last - corner
    result[upper:lower, left:right] = picture[first[1] : last[1], first[0] : last[0]]
    return result, np.clip(box - np.tile(corner, 2), 0, np.tile(size, 2))
