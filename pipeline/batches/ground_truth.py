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

Target = dict[str, Tensor]
"""Ground truth of one image: `boxes` `[N, 4]` float32 pixels, `labels` `[N]` int64 (all `PERSON`),
`person_ids` `[N]` int64 (`0 .. I-1` or `UNLABELLED`). A query scene's has `QUERY` as well."""


def ground_truth(scene: Scene, size: tuple[int, int]) -> Target:
    """Return a scene's ground truth; boxes are of torchvision's type, clipped to `size` (H, W) in pixels."""
    height, width = size
    clipped = clip_boxes(scene.boxes, (width, height))
    boxes = tv_tensors.BoundingBoxes(torch.from_numpy(clipped).float(), format="XYXY", canvas_size=size)
    return {
        "boxes": boxes,
        "labels": torch.full((len(scene.boxes),), PERSON, dtype=torch.int64),
        "person_ids": torch.from_numpy(scene.person_ids),
    }
