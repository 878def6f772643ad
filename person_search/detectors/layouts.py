"""What the outputs of an ONNX detector mean: boxes and how sure it is that each shows a person.

`C` is the number of classes, `N` or `Q` that of boxes. The 1 in front is the batch.

- `boxes_scores`: `boxes` `[N, 4]` and `scores` `[N]` or `[N, C]`, each with or without a 1 in front; perhaps
  `labels` `[N]`, the class that each score is of.
- `yolo` (YOLOv8 and later): `[1, 4 + C, N]`, the box and the class scores of each place in a column.
- `yolov5` (YOLOv5, YOLOv7): `[1, N, 5 + C]`, box, objectness and class scores in a row.
- `detr` (DETR, RT-DETR): `logits` `[1, Q, C]`, of a softmax with a further class for nothing, and
  `pred_boxes` `[1, Q, 4]`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from person_search.detectors.description import DetectorDescription
from person_search.networks.network import Floats
from pipeline.basics.errors import UserError

Arrays = Mapping[str, npt.NDArray[Any]]


class Raw(NamedTuple):
    """Boxes `[N, 4]` as the file has them, and class scores `[N, C]`."""

    boxes: Floats
    scores: Floats


def people_of(
    outputs: Arrays, description: DetectorDescription, size: tuple[int, int], name: str
) -> tuple[Floats, Floats]:
    """Return the boxes `[N, 4]`, x1 y1 x2 y2 in pixels of the input, and the scores of people `[N]`, 0..1.

    Args:
        outputs: by the names of `description.OUTPUTS`, perhaps with `labels`.
        description: what they mean.
        size: (height, width) of the input.
        name: of the file, for messages.

    Raises:
        UserError: an output is of another shape, or holds numbers that are not finite.
    """
    boxes, scores = _raw(outputs, description, name)
    people = _person_scores(scores, outputs.get("labels"), description, name)
    if not (np.isfinite(people).all() and np.isfinite(boxes).all()):
        raise UserError(f"{name} gives boxes or scores that are not finite")
    if description.boxes == "cxcywh":
        half = boxes[:, 2:] / 2
        boxes = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    if description.units == "fractions":
        height, width = size
        boxes = boxes * np.array([width, height, width, height], dtype=np.float32)
    return boxes, people


def _raw(outputs: Arrays, description: DetectorDescription, name: str) -> Raw:
    layout = description.layout
    values = {role: np.asarray(array, dtype=np.float32) for role, array in outputs.items()}
    if layout == "boxes_scores":
        return _boxes_scores(values["boxes"], values["scores"], name)
    if layout == "detr":
        return _detr(values["logits"], values["pred_boxes"], name)
    return _yolo(values["output"], name) if layout == "yolo" else _yolov5(values["output"], name)


def _boxes_scores(boxes: Floats, scores: Floats, name: str) -> Raw:
    shapes = f"boxes {list(boxes.shape)} and scores {list(scores.shape)}"
    boxes = boxes[0] if boxes.ndim == 3 and len(boxes) == 1 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise _wrong(name, "boxes_scores", "boxes [N, 4] and scores [N] or [N, C]", shapes)
    if scores.ndim > 1 and len(scores) == 1 and scores.shape[1] == len(boxes):
        scores = scores[0]
    scores = scores[:, None] if scores.ndim == 1 else scores
    if scores.ndim != 2 or len(scores) != len(boxes) or not scores.shape[1]:
        raise _wrong(name, "boxes_scores", "boxes [N, 4] and scores [N] or [N, C]", shapes)
    return Raw(boxes, scores)


def _yolo(output: Floats, name: str) -> Raw:
    shape, needed = list(output.shape), "[1, 4 + C, N]"
    if output.ndim != 3 or len(output) != 1 or shape[1] < 5:
        raise _wrong(name, "yolo", needed, f"{shape}")
    if shape[1] > shape[2]:
        raise _wrong(name, "yolo", needed, f"{shape}, which looks turned: is its layout yolov5?")
    rows = output[0].T
    return Raw(rows[:, :4], rows[:, 4:])


def _yolov5(output: Floats, name: str) -> Raw:
    shape, needed = list(output.shape), "[1, N, 5 + C]"
    if output.ndim != 3 or len(output) != 1 or shape[2] < 6:
        raise _wrong(name, "yolov5", needed, f"{shape}")
    if shape[2] > shape[1]:
        raise _wrong(name, "yolov5", needed, f"{shape}, which looks turned: is its layout yolo?")
    rows = output[0]
    return Raw(rows[:, :4], rows[:, 4:5] * rows[:, 5:])


def _detr(logits: Floats, boxes: Floats, name: str) -> Raw:
    if logits.ndim != 3 or len(logits) != 1 or boxes.shape != (1, logits.shape[1], 4) or not logits.shape[2]:
        shapes = f"logits {list(logits.shape)} and pred_boxes {list(boxes.shape)}"
        raise _wrong(name, "detr", "logits [1, Q, C] and pred_boxes [1, Q, 4]", shapes)
    return Raw(boxes[0], logits[0])


def _person_scores(
    scores: Floats, labels: npt.NDArray[Any] | None, description: DetectorDescription, name: str
) -> Floats:
    """Return the scores of people `[N]` of scores `[N, C]`."""
    count, person = scores.shape[1], description.person
    if labels is not None:
        if person is None:
            raise UserError(f"{name} has labels: `person` in its YAML must say which one people have")
        if labels.size != len(scores):
            raise UserError(f"{name}: {labels.size} labels for {len(scores)} boxes")
        kept: Floats = np.where(labels.reshape(-1) == person, _as_probabilities(scores, description)[:, 0], 0)
        return kept
    if person is None and count > 1:
        raise UserError(f"{name} has {count} classes: `person` in its YAML must say which one people are")
    if person is not None and person >= count:
        raise UserError(f"{name} has {count} classes, so `person: {person}` in its YAML is none of them")
    return _as_probabilities(scores, description)[:, person or 0]


def _as_probabilities(scores: Floats, description: DetectorDescription) -> Floats:
    """Return scores `[N, C]` as probabilities; those of a sigmoid or softmax are computed in float64."""
    if description.scores == "probabilities":
        return scores
    logits = scores.astype(np.float64)
    if description.scores == "sigmoid":
        return np.asarray(0.5 * (1 + np.tanh(logits / 2)), dtype=np.float32)  # it cannot overflow
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _wrong(name: str, layout: str, needed: str, found: str) -> UserError:
    return UserError(f"{name}: layout {layout} needs {needed}, but the file gives {found}")
