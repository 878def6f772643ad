"""Boxes in pixels: corners, the part inside an image, and the text of a box in a message."""

import numpy as np
import numpy.typing as npt

from pipeline.scenes.scene import FloatArray

MIN_SIDE = 0.1
"""Shortest side of a usable box, in pixels. The networks compute in float32: in the largest JPEG (65,535
pixels) a side of this length stays above 0 after any resizing. A side of 0 makes the box loss infinite."""


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """Return `[N, 4]` boxes given by left, top, width, height as left, top, right, bottom."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    with np.errstate(over="ignore"):  # the checks report a corner that becomes infinite
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def clip_boxes(boxes: FloatArray, size: tuple[float, float]) -> FloatArray:
    """Return `[N, 4]` boxes cut to an image of `size` (width, height; may be infinite)."""
    width, height = size
    return np.clip(boxes, 0.0, np.array([width, height, width, height]))


def outside(boxes: FloatArray, size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return `[N]`, true where a box shares no area with an image of `size` (width, height)."""
    width, height = size
    x1, y1, x2, y2 = boxes.T
    return np.asarray((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height))


def too_thin(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Return `[N]`, true where a box has a side that is below `MIN_SIDE` or NaN."""
    with np.errstate(invalid="ignore"):
        # Not `< MIN_SIDE`: a comparison with NaN is false.
        return np.asarray(~(boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all(axis=1))


def thin_inside(boxes: FloatArray, size: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Return `[N]`, true where a box overlaps an image of `size` (width, height), but too thinly."""
    return np.asarray(too_thin(clip_boxes(boxes, size)) & ~outside(boxes, size))


def box_text(box: FloatArray) -> str:
    """Return the text of a box `[4]` in a message."""
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"


def thin_text(box: FloatArray) -> str:
    """Return what is wrong with a box `[4]` that is too thin."""
    return f"is thinner than {MIN_SIDE:g} pixels" if (box[2:] > box[:2]).all() else "has no area"


def pixels_of(box: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the whole pixels (left, top, right, bottom) of a picture under a box `[4]`: at least one."""
    left, top = np.floor(box[:2])
    right, bottom = np.ceil(box[2:])
    left, top = int(np.clip(left, 0, width - 1)), int(np.clip(top, 0, height - 1))
    return left, top, int(np.clip(right, left + 1, width)), int(np.clip(bottom, top + 1, height))
