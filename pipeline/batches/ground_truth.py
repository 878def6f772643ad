"""Ground truth of a scene in the form that detectors are trained on."""

import torch
from torch import Tensor
from torchvision import tv_tensors

from pipeline.scenes.boxes import clip_boxes
from pipeline.scenes.scene import FloatArray, Scene

PERSON = 1
"""The class label of a person; 0 is background."""

QUERY = "query"
"""Key of a target that says which of the scene's boxes is the query: `[1]` int64, where there is one."""

BOX_ROWS = "box_rows"
"""Key of a target that says which row of the table by box each box has: `[N]` int64, where there is one."""

IGNORED = "ignored"
"""Key of a target with boxes that are neither person nor background: `[M, 4]` float32 pixels, where there are
any."""

Target = dict[str, Tensor]
"""Ground truth of one image: `boxes` `[N, 4]` float32 pixels, `labels` `[N]` int64 (all `PERSON`),
`person_ids` `[N]` int64 (`0 .. I-1` or `UNLABELLED`). A query scene's has `QUERY` as well, a scene's with
ignored boxes `IGNORED`, and where there is a table by box, all have `BOX_ROWS`."""

BOXES = ("boxes", IGNORED)
"""The keys of a target whose values are boxes, which change with the picture."""


def ground_truth(scene: Scene, size: tuple[int, int], first_row: int | None = None) -> Target:
    """Return a scene's ground truth.

    Args:
        scene: the scene.
        size: (H, W) in pixels; boxes are clipped to it, and of torchvision's type.
        first_row: the row of the scene's first box in the table by box; None where there is no such table.
    """
    target: Target = {
        "boxes": _boxes(scene.boxes, size),
        "labels": torch.full((len(scene.boxes),), PERSON, dtype=torch.int64),
        "person_ids": torch.from_numpy(scene.person_ids),
    }
    if len(scene.ignored):
        target[IGNORED] = _boxes(scene.ignored, size)
    if first_row is not None:
        target[BOX_ROWS] = torch.arange(first_row, first_row + len(scene.boxes))
    return target


def _boxes(boxes: FloatArray, size: tuple[int, int]) -> tv_tensors.BoundingBoxes:
    height, width = size
    clipped = torch.from_numpy(clip_boxes(boxes, (width, height))).float()
    return tv_tensors.BoundingBoxes(clipped, format="XYXY", canvas_size=size)
