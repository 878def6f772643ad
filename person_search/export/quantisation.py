"""Convolutions in whole numbers of 8 bits, by ONNX Runtime's static quantisation.

What a search is sensitive to stays in float32: preprocessing, the RPN's outputs, boxes, scores, suppression,
RoIAlign, the embedding layer and its normalisation.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from person_search.networks.exported_file import GIVEN_BOXES, GIVEN_PICTURES, PICTURE, ExportedFile
from person_search.networks.network import Floats, Picture

KEPT_LAYERS = ("rpn.head.cls_logits", "rpn.head.bbox_pred")
"""Convolutions that stay in float32: an error of theirs moves boxes, or changes which of them are kept."""

CONVOLUTION = "Conv"
BETWEEN = ("Relu", "Add", "MaxPool")
"""Layers that compute in 8 bits where all that they get does: so values need not be changed to and fro."""

Shown = tuple[Picture, Floats]
"""A scene, and the boxes `[K, 4]` of the people in it, K > 0."""


def quantised(model: ModelProto, described: ExportedFile, scenes: Sequence[Shown]) -> ModelProto:
    """Return a model with 8-bit convolutions.

    Args:
        model: in float32, of `as_onnx`.
        described: what it is.
        scenes: those whose activations say which range 8 bits are to cover. Somebody must be found in each:
            of a layer that gets no box, no range can be told.
    """
    disabled = logging.root.manager.disable
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model.SerializeToString())
        logging.disable(logging.WARNING)  # it advises a preparation that leaves this graph as it is
        try:
            quantize_static(
                source,
                target,
                _Scenes(described, scenes),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[CONVOLUTION, *BETWEEN],
                nodes_to_quantize=quantised_layers(model),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            logging.disable(disabled)
        return onnx.load(target)


def quantised_layers(model: ModelProto) -> list[str]:
    """Return the names of the layers that compute in 8 bits: convolutions, and what lies between them."""
    names: list[str] = []
    computed: set[str] = set()
    for node in model.graph.node:
        if node.op_type == CONVOLUTION:
            chosen = not any(layer in node.input[1] for layer in KEPT_LAYERS)
        else:
            chosen = node.op_type in BETWEEN and computed.issuperset(node.input)
        if chosen:
            names.append(node.name)
            computed.update(node.output)
    return names


class _Scenes(CalibrationDataReader):  # type: ignore[misc]
    """Scenes as a model's inputs, one after the other."""

    def __init__(self, described: ExportedFile, scenes: Sequence[Shown]) -> None:
        self._inputs = _inputs(described, scenes)

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the next scene, None after the last."""
        return next(self._inputs, None)


def _inputs(described: ExportedFile, scenes: Sequence[Shown]) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    for picture, boxes in scenes:
        if described.batch:
            pictures = np.zeros(len(boxes), np.int64)
            yield {PICTURE: picture[None], GIVEN_BOXES: boxes, GIVEN_PICTURES: pictures}
        else:
            yield {PICTURE: picture, GIVEN_BOXES: boxes}
