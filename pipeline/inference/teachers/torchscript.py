"""Kind `torchscript`: a re-ID model that PyTorch has written with its code (`torch.jit.save`)."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.description import read_description
from pipeline.inference.teachers.external import ExternalCropModel

FAILURES = (RuntimeError, ValueError, TypeError, torch.jit.Error)
"""What a model raises; `torch.jit.Error`, which is none of the others, where its own code does."""


def load_torchscript(path: Path, device: torch.device) -> ExternalCropModel:
    """Load a model and the YAML beside it.

    Raises:
        UserError: it is no TorchScript model, or its YAML is wrong. What it takes and gives shows when it
            runs.
    """
    description = read_description(path)
    module = _load(path, device)
    dtype = next((value.dtype for value in module.parameters() if value.is_floating_point()), torch.float32)

    def run(crops: Tensor) -> Tensor:
        try:
            output = module(crops.to(dtype))
        except FAILURES as error:
            raise UserError(f"{path} fails on crops {list(crops.shape)}: {_line(error)}") from None
        return _tensor(output, description.output, path)

    return ExternalCropModel(str(path), description, description.batch, run)


def _load(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    """Load a model in evaluation mode. Raises `UserError` where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch says that there are newer ways
            module: torch.jit.ScriptModule = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except FAILURES as error:
        raise UserError(
            f"{path} is not a readable TorchScript model ({_line(error)}); `torch.jit.save` writes one, "
            "weights alone (a state dict) do not hold the network"
        ) from None
    return module.eval()


def _tensor(output: Any, wanted: str | None, path: Path) -> Tensor:
    """Return the tensor that is the embedding. Raises `UserError` where it is not clear which."""
    if isinstance(output, (tuple, list)):
        output = {str(place): one for place, one in enumerate(output)}
    if isinstance(output, dict):
        listed = ", ".join(f"'{name}'" for name in output)
        if wanted is None and len(output) != 1:
            raise UserError(
                f"{path} has several outputs ({listed}); name the embedding: `output` in its YAML"
            )
        if wanted is not None and wanted not in output:
            raise UserError(f"{path} has no output '{wanted}', which its YAML names; it has {listed}")
        output = output[wanted] if wanted is not None else next(iter(output.values()))
    elif wanted is not None:
        raise UserError(f"{path} has one output without a name; leave `output` out of its YAML")
    if not isinstance(output, Tensor):
        raise UserError(f"{path} gives {type(output).__name__}, not a tensor")
    return output


def _line(error: Exception) -> str:
    """Return the last line of an error: PyTorch puts the model's own traceback before it."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
