"""Which anchors and proposals lie on ignored boxes, so that no head learns them as background."""

import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou, clip_boxes_to_image

from pipeline.batches.ground_truth import IGNORED, Target

INSIDE = 0.5
"""Share of a box's own area inside an ignored box from which the box lies on it."""


def on_ignored(
    boxes: Tensor, target: Target, background_iou: float, size: tuple[int, int] | None = None
) -> Tensor:
    """Return `[N]` bool, which boxes lie on one of a target's ignored boxes (ours; torchvision has none).

    A box lies on an ignored one in two cases. At least half of what the image shows of it is inside: so are
    small boxes in a crowd or in a region that nobody annotated, with which their IoU is next to nothing
    (COCO's rule for crowds). Or their IoU is one at which the box would not be background if the ignored box
    were a person: so are boxes that are larger than a detection that is unsure.

    Args:
        boxes: `[N, 4]` anchors or proposals.
        target: ground truth of their image, in the same pixels.
        background_iou: the head takes a box for background where its IoU with every person is less.
        size: (height, width) of the image; None where no box reaches over its edge.
    """
    ignored = target.get(IGNORED)
    if ignored is None or not len(ignored) or not len(boxes):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    shown = boxes if size is None else clip_boxes_to_image(boxes, size)
    sides = torch.minimum(shown[:, None, 2:], ignored[:, 2:]) - torch.maximum(
        shown[:, None, :2], ignored[:, :2]
    )
    shared = sides.clamp(min=0).prod(dim=2)
    lies_on = (shared >= INSIDE * box_area(shown)[:, None]) & (shared > 0)
    lies_on |= box_iou(boxes, ignored) >= background_iou
    result: Tensor = lies_on.any(dim=1)
    return result
