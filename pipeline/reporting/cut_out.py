"""Cutting a person with what is around them out of a picture."""

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray

Picture = npt.NDArray[np.uint8]
"""`[H, W, 3]`."""

LEAST_CONTEXT = 1.04
"""A box never fills its cut-out wholly."""
PADDING = 225
"""Grey of what lies beyond a picture's border."""


def cut_out(picture: Picture, box: FloatArray, context: float, aspect: float) -> tuple[Picture, FloatArray]:
    """Cut a box with what is around it out of a picture.

    Args:
        picture: `[H, W, 3]`.
        box: `[4]` pixels; it ends up in the middle, or nearer to an edge where the picture ends.
        context: height of the cut-out in heights of the box; less where the picture is not that high or wide,
            more where the box is too wide for that.
        aspect: width of the cut-out over its height.

    Returns:
        The cut-out, and `[4]` the box in its pixels. Where the box alone is too large for the picture, what
        lies beyond the picture is grey.
    """
    width, height = box[2:] - box[:2]
    tall, wide = picture.shape[:2]
    needed = max(height, width / aspect) * LEAST_CONTEXT
    tall_enough = max(min(context * height, tall, wide / aspect), needed, 2.0)
    size = np.array([max(1, round(tall_enough * aspect)), round(tall_enough)])
    shape = np.array([wide, tall])
    corner = np.round((box[:2] + box[2:] - size) / 2).astype(int)
    corner = np.where(size <= shape, np.clip(corner, 0, np.maximum(shape - size, 0)), (shape - size) // 2)
    result = np.full((size[1], size[0], 3), PADDING, dtype=np.uint8)
    first, last = np.maximum(corner, 0), np.minimum(corner + size, shape)
    left, upper = first - corner
    right, lower = last - corner
    result[upper:lower, left:right] = picture[first[1] : last[1], first[0] : last[0]]
    return result, np.clip(box - np.tile(corner, 2), 0, np.tile(size, 2))
