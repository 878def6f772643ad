"""Kind `onnx`: a re-ID model as ONNX, run by ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import kind_of
from pipeline.inference.onnx_session import CPU, CUDA, onnx_runtime, open_session
from pipeline.inference.teachers.description import read_description
from pipeline.inference.teachers.external import ExternalCropModel

TYPES: Mapping[str, Any] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""The kinds of numbers that a model may take."""


def load_onnx(path: Path, device: torch.device) -> ExternalCropModel:
    """Load a model and the YAML beside it.

    Args:
        path: the model's file; weights may lie in files beside it.
        device: where it runs, if ONNX Runtime can compute there, and else on the CPU.

    Raises:
        UserError: it is no ONNX model, its YAML is wrong, it takes other crops than its YAML says, or has
            several inputs, several outputs of which the YAML names none, or another batch.
    """
    description = read_description(path)
    if (kind := kind_of(path)) not in (None, "an ONNX model"):
        raise UserError(f"{path} is not a readable ONNX model, but {kind}")
    session = open_session(path, str(path), "export it again", _providers(device))
    given, output = _input(session, path), _output(session, path, description.output)
    batch = _batch(given.shape, (description.height, description.width), path)
    if batch and description.batch not in (None, batch):
        raise UserError(
            f"{path}: its batch is fixed to {batch}, its YAML says `batch: {description.batch}`; leave it out"
        )
    dtype = TYPES[given.type]

    def run(crops: Tensor) -> Tensor:
        try:
            (values,) = session.run([output], {given.name: crops.cpu().numpy().astype(dtype)})
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise UserError(f"{path} fails on crops {list(crops.shape)}: {_line(error)}") from None
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            raise UserError(f"{path}: its output '{output}' holds no numbers")
        return torch.from_numpy(values.astype(np.float32))

    return ExternalCropModel(str(path), description, batch or description.batch, run)


def _providers(device: torch.device) -> list[Any]:
    """Return what ONNX Runtime may compute with, the best first."""
    if device.type == "cuda" and CUDA in onnx_runtime().get_available_providers():
        return [(CUDA, {"device_id": device.index or 0}), CPU]
    return [CPU]


def _input(session: Any, path: Path) -> Any:
    """Return the one input. Raises `UserError` where there are others, or it takes other numbers."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(f"'{one.name}'" for one in inputs) or "none"
        raise UserError(f"{path} must have one input, the crops; it has {names}")
    if inputs[0].type not in TYPES:
        raise UserError(f"{path}: its input '{inputs[0].name}' is {inputs[0].type}, not float or float16")
    return inputs[0]


def _output(session: Any, path: Path, wanted: str | None) -> str:
    """Return the output's name. Raises `UserError` where it is not clear which."""
    names = [output.name for output in session.get_outputs()]
    if wanted is None and len(names) == 1:
        return str(names[0])
    listed = ", ".join(f"'{name}'" for name in names)
    if wanted is None:
        raise UserError(f"{path} has several outputs ({listed}); name the embedding: `output` in its YAML")
    if wanted not in names:
        raise UserError(f"{path} has no output '{wanted}', which its YAML names; it has {listed}")
    return wanted


def _batch(shape: Any, size: tuple[int, int], path: Path) -> int | None:
    """Return how many crops a model takes at a time; None for any number, or where it does not say.

    Args:
        shape: of its input; a side that is no number may have any length.
        size: height and width of its crops by its YAML.
        path: of the model, for the message.

    Raises:
        UserError: it takes no such crops.
    """
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
    expected = (3, *size)
    if len(sides) != 4 or any(side not in (None, own) for side, own in zip(sides[1:], expected, strict=True)):
        raise UserError(
            f"{path} takes {list(shape)}; crops are [N, 3, height, width], "
            f"by its YAML [N, 3, {size[0]}, {size[1]}]"
        )
    return sides[0]


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
