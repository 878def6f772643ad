"""The two steps of a search whose sizes depend on data, as operators of PyTorch, and what ONNX has for them.

`torch.export` cannot trace a loop over images, nor a picture that is resized to a computed size. Each of the
two steps is one operator for it: `fit` makes pictures as large as a network takes them, `strongest`
suppresses overlapping boxes in all images at once. `TRANSLATIONS` says what they are in ONNX.
"""

from collections.abc import Callable
from typing import Any

import torch
from onnx import TensorProto
from onnxscript.onnx_opset import opset18
from torch import Tensor
from torch.nn import functional
from torchvision.ops import nms

from person_search.networks.preprocessing import SIZE_DIVISIBLE

op: Any = opset18


def resized_size(height: int, width: int, short_side: int, long_side: int) -> tuple[int, int]:
    """Return (height, width) of a resized picture, as torchvision's `GeneralizedRCNNTransform` has it."""
    scale = min(short_side / min(height, width), long_side / max(height, width))
    return int(height * scale), int(width * scale)


@torch.library.custom_op("person_search::fit", mutates_args=())
def fit(pictures: Tensor, short_side: int, long_side: int) -> tuple[Tensor, Tensor]:
    """Resize pictures and pad them with zeros to a multiple of `SIZE_DIVISIBLE`.

    Args:
        pictures: `[B, 3, h, w]` float32.
        short_side: pixels that the short side is resized to,
        long_side: unless this makes the long side longer than this.

    Returns:
        `[B, 3, H, W]`, and (height, width) `[2]` int64 without the padding.
    """
    size = resized_size(pictures.shape[-2], pictures.shape[-1], short_side, long_side)
    resized = functional.interpolate(pictures, size=size, mode="bilinear", align_corners=False)
    rows, columns = (-side % SIZE_DIVISIBLE for side in size)
    return functional.pad(resized, (0, columns, 0, rows)), torch.tensor(size)


@fit.register_fake
def _(pictures: Tensor, short_side: int, long_side: int) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    sizes = torch.library.get_ctx()
    rows, columns = (sizes.new_dynamic_size(min=1) * SIZE_DIVISIBLE for _ in range(2))
    return pictures.new_empty(pictures.shape[0], 3, rows, columns), pictures.new_empty(2, dtype=torch.int64)


def fit_in_onnx(pictures: Any, short_side: int, long_side: int) -> Any:
    """Return `fit` in ONNX; sizes are computed in float64, as Python does."""
    size = op.Cast(op.Shape(pictures, start=2), to=TensorProto.DOUBLE)
    sides = op.Cast(op.Constant(value_ints=[short_side, long_side]), to=TensorProto.DOUBLE)
    ends = op.Concat(op.ReduceMin(size), op.ReduceMax(size), axis=0)
    resized = op.Cast(op.Mul(size, op.ReduceMin(op.Div(sides, ends))), to=TensorProto.INT64)
    shape = op.Concat(op.Shape(pictures, start=0, end=2), resized, axis=0)
    pixels = op.Resize(
        pictures, None, None, shape, mode="linear", coordinate_transformation_mode="half_pixel"
    )
    padding = op.Mod(op.Neg(resized), op.Constant(value_ints=[SIZE_DIVISIBLE]))
    pads = op.Concat(op.Constant(value_ints=[0] * 6), padding, axis=0)
    return op.Pad(pixels, pads), resized


@torch.library.custom_op("person_search::strongest", mutates_args=())
def strongest(
    boxes: Tensor, scores: Tensor, score_threshold: float, nms_threshold: float, most: int
) -> Tensor:
    """Suppress boxes that overlap with one of a higher score, image by image.

    Args:
        boxes: `[R, 4]` of all images.
        scores: `[B, R]` theirs, a row an image; no higher than `score_threshold` for boxes of other images.
        score_threshold: only boxes of a higher score are looked at.
        nms_threshold: of two boxes with a higher overlap, the one of the higher score is kept.
        most: how many are kept of an image.

    Returns:
        `[K]` the places of the boxes that are kept: image by image, by falling score.
    """
    kept = []
    for own in scores:
        places = torch.where(own > score_threshold)[0]
        kept.append(places[nms(boxes[places], own[places], nms_threshold)[:most]])
    return torch.cat(kept)


@strongest.register_fake
def _(boxes: Tensor, scores: Tensor, score_threshold: float, nms_threshold: float, most: int) -> Tensor:  # noqa: ARG001
    return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(min=2), dtype=torch.int64)


def strongest_in_onnx(
    boxes: Any, scores: Any, score_threshold: float, nms_threshold: float, most: int
) -> Any:
    """Return `strongest` in ONNX: the images are the classes of `NonMaxSuppression`."""
    selected = op.NonMaxSuppression(
        op.Unsqueeze(boxes, [0]),
        op.Unsqueeze(scores, [0]),
        op.Constant(value_ints=[most]),
        op.Constant(value_floats=[nms_threshold]),
        op.Constant(value_floats=[score_threshold]),
    )
    return op.Squeeze(op.Slice(selected, [2], [3], [1]), [1])


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.person_search.fit.default: fit_in_onnx,
    torch.ops.person_search.strongest.default: strongest_in_onnx,
}
