"""From a head's boxes and scores to detections, and where each of them came from."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

SMALLEST_SIDE = 1e-2
"""Pixels: a detection's sides are not shorter; torchvision's."""


class FoundPeople(NamedTuple):
    """The people that a network found in one image, by falling score.

    Attributes:
        boxes: `[N, 4]` final boxes, in pixels of the resized image.
        scores: `[N]` 0..1.
        rois: `[N, 4]` the boxes that they came from, before the last regression, in the same pixels.
        roi_features: `[N, C]` the pooled output of the tail at `rois`.
    """

    boxes: Tensor
    scores: Tensor
    rois: Tensor
    roi_features: Tensor


def inside(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Clip boxes `[N, 4]` to an image of (height, width)."""
    clipped: Tensor = clip_boxes_to_image(boxes, list(image_size))
    return clipped


def strongest(
    boxes: Tensor, scores: Tensor, *, score_threshold: float, nms_threshold: float, most: int
) -> Tensor:
    """Return the indices `[N]` of the boxes that are one image's detections, by falling score.

    Boxes of low scores and tiny ones are dropped, then those that non-maximum suppression (NMS) drops. The
    steps and their order are those of torchvision's `postprocess_detections` for the class person.

    Args:
        boxes: `[R, 4]` clipped to the image.
        scores: `[R]` 0..1.
        score_threshold: only boxes with a higher score are detections.
        nms_threshold: of two boxes with a higher overlap, the one of the higher score is kept.
        most: how many are kept at most.
    """
    places = torch.where(scores > score_threshold)[0]
    places = places[remove_small_boxes(boxes[places], SMALLEST_SIDE)]
    # With a class, torchvision moves boxes before it compares them, which rounds: so the same class here.
    people = torch.ones_like(places)
    kept: Tensor = batched_nms(boxes[places], scores[places], people, nms_threshold)
    return places[kept[:most]]
