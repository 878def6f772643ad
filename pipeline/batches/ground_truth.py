"""Ground truth of a scene in the form that detectors are trained on."""

import torch
from torch import Tensor
from torchvision import tv_tensors

from pipeline.scenes.boxes import clip_boxes
from pipeline.scenes.scene import Scene

PERSON = 1
"""The class label of a person; 0 is background."""

QUERY = "query"
"""Key of a target that says which of the scene's boxes is the query: `[1]` int64, where there is one."""

BOX_ROWS = "box_rows"
"""Key of a target that says which row of the table by box each box has: `[N]` int64, where there is one."""

Target = dict[str, Tensor]
"""Ground truth of one image: `boxes` `[N, 4]` float32 pixels, `labels` `[N]` int64 (all `PERSON`),
`person_ids` `[N]` int64 (`0 .. I-1` or `UNLABELLED`). A query scene's has `QUERY` as well, and where there is
a table by box, all have `BOX_ROWS`."""


def ground_truth(scene: Scene, size: tuple[int, int], first_row: int | None = None) -> Target:
    """Return a scene's ground truth.

    Args:
        scene: the scene.
        size: (H, W) in pixels; boxes are clipped to it, and of torchvision's type.
        first_row: the row of the scene's first box in the table by box; None where there is no such table.
    """
    height, width = size
    clipped = clip_boxes(scene.boxes, (width, height))
    boxes = tv_tensors.BoundingBoxes(torch.from_numpy(clipped).float(), format="XYXY", canvas_size=size)
    target = {
        "boxes": boxes,
        "labels": torch.full((len(scene.boxes),), PERSON, dtype=torch.int64),
        "person_ids": torch.from_numpy(scene.person_ids),
    }
    if first_row is not None:
        target[BOX_ROWS] = torch.arange(first_row, first_row + len(scene.boxes))
    return target
