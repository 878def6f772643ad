"""The YAML beside an ONNX detector: what it is fed with, and what its outputs mean.

A layout has defaults, which are those of the programs that usually write such files; see docs/pictures.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, parse_options, read_yaml
from pipeline.inference.own_pictures.printable import printable

Layout = Literal["boxes_scores", "yolo", "yolov5", "detr"]
ENDING = ".yaml"
DEFAULTS: Mapping[Layout, Mapping[str, Any]] = {
    "boxes_scores": {"fit": "stretch", "boxes": "xyxy", "units": "pixels", "scores": "probabilities"},
    "yolo": {"fit": "letterbox", "boxes": "cxcywh", "units": "pixels", "scores": "probabilities", "nms": 0.7},
    "yolov5": {
        "fit": "letterbox",
        "boxes": "cxcywh",
        "units": "pixels",
        "scores": "probabilities",
        "nms": 0.45,
    },
    "detr": {"fit": "stretch", "boxes": "cxcywh", "units": "fractions", "scores": "softmax"},
}
OUTPUTS: Mapping[Layout, tuple[str, ...]] = {
    "boxes_scores": ("boxes", "scores"),
    "yolo": ("output",),
    "yolov5": ("output",),
    "detr": ("logits", "pred_boxes"),
}
"""By layout, what its outputs are called; `output` is the file's first."""


class DetectorDescription(Options):
    """What a detector is fed with, and what its outputs mean.

    Attributes:
        layout: what outputs there are, and of which shapes: see `layouts.py`.
        height: pixels of the input; None where the file says it.
        width: the same.
        channels: the order of the input's channels.
        scale: what 1.0 of a pixel in 0..1 is multiplied by: 255 for a network that takes 0..255.
        mean: what is then subtracted, by channel in the order of `channels`.
        std: what is then divided by.
        fit: how a picture becomes the input: `stretch`, or `letterbox`, which keeps its proportions and fills
            the rest with grey.
        boxes: corners (x1 y1 x2 y2), or centre and size (cx cy w h).
        units: of the boxes: pixels of the input, or fractions of its width and height.
        scores: whether the scores are probabilities, or logits of a sigmoid or of a softmax.
        person: number of the class of people; None for a detector of one class.
        nms: of two boxes that overlap by more, the one of the lower score is left out; None for no such step.
        outputs: the file's own names of the outputs, by the names of `OUTPUTS`.
    """

    layout: Layout
    height: PositiveInt | None = None
    width: PositiveInt | None = None
    channels: Literal["rgb", "bgr"] = "rgb"
    scale: PositiveFloat = 1.0
    mean: list[float] = Field(default=[0.0, 0.0, 0.0], min_length=3, max_length=3)
    std: list[PositiveFloat] = Field(default=[1.0, 1.0, 1.0], min_length=3, max_length=3)
    fit: Literal["stretch", "letterbox"]
    boxes: Literal["xyxy", "cxcywh"]
    units: Literal["pixels", "fractions"]
    scores: Literal["probabilities", "sigmoid", "softmax"]
    person: int | None = Field(default=None, ge=0)
    nms: float | None = Field(default=None, gt=0, le=1)
    outputs: dict[str, str] = Field(default_factory=dict)


def description_path(model: Path) -> Path:
    """Return where the YAML of a model is: beside it, with the same stem."""
    return model.with_suffix(ENDING)


def read_description(model: Path) -> DetectorDescription:
    """Read the YAML beside a model.

    Raises:
        UserError: it is missing, or not as it must be.
    """
    path = description_path(model)
    layouts = ", ".join(get_args(Layout))
    values = read_yaml(
        path,
        f"{printable(path)} is missing, which says how {printable(model)} is fed and read, for instance "
        f"`layout: yolo` and `person: 0` (layouts: {layouts}); see docs/pictures.md",
    )
    if not isinstance(values, Mapping) or values.get("layout") not in DEFAULTS:
        raise UserError(f"{printable(path)}: `layout` must be one of {layouts}")
    defaults = DEFAULTS[values["layout"]]
    description = parse_options(DetectorDescription, {**defaults, **values}, printable(path))
    known = (*OUTPUTS[description.layout], *(("labels",) if description.layout == "boxes_scores" else ()))
    if unknown := set(description.outputs) - set(known):
        raise UserError(
            f"{printable(path)}: outputs.{min(unknown)}: layout {description.layout} has {', '.join(known)}"
        )
    return description
