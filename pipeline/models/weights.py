"""Reading weight files: a file says which network it holds, and loads without params.yaml."""

import json
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pipeline.errors import UserError
from pipeline.models.detector import Detector
from pipeline.models.detector_options import DetectorOptions
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.reid import ReidModel, ReidOptions
from pipeline.models.saving import FORMAT_VERSION, METADATA, Kind, save_weights
from pipeline.options import Options, parse_options

__all__ = ["load_detector", "load_reid", "load_student", "load_weights", "save_weights"]

_CONSTRUCTORS: dict[str, tuple[type[Options], type[nn.Module]]] = {
    "detector": (DetectorOptions, Detector),
    "reid": (ReidOptions, ReidModel),
    "person_search": (PersonSearchOptions, PersonSearchNetwork),
}


def load_weights(path: Path, kind: Kind) -> nn.Module:
    """Build the network that a weight file describes, with its weights, in evaluation mode, on the CPU.

    Raises:
        UserError: there is no such file, it is damaged or not finite, or it holds another kind of network.
    """
    if not path.is_file():
        raise UserError(f"no weight file at {path}; run `dvc repro` or `dvc pull` first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); restore it with `dvc checkout`"
        ) from None
    if not isinstance(metadata, dict) or metadata.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{path} was not written by this program (no architecture of version {FORMAT_VERSION} in it)"
        )
    if metadata.get("kind") != kind:
        raise UserError(f"{path} holds a network of kind '{metadata.get('kind')}', not '{kind}'")
    options_class, network_class = _CONSTRUCTORS[kind]
    try:
        architecture = json.loads(metadata.get("architecture", ""))
    except (TypeError, ValueError):
        raise UserError(f"{path} does not say its architecture; restore it with `dvc checkout`") from None
    options = parse_options(options_class, architecture, str(path))
    with torch.random.fork_rng(devices=[]):
        network = network_class(options)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise UserError(
            f"{path}: its tensors are not those of its architecture; restore it with `dvc checkout`"
        ) from None
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise UserError(f"{path} holds values that are not finite; restore it with `dvc checkout`")
    return network.eval()


def load_detector(path: Path) -> Detector:
    """Load a detector; see `load_weights`."""
    return cast(Detector, load_weights(path, "detector"))


def load_reid(path: Path) -> ReidModel:
    """Load a re-ID model; see `load_weights`."""
    return cast(ReidModel, load_weights(path, "reid"))


def load_student(path: Path) -> PersonSearchNetwork:
    """Load a person-search network; see `load_weights`."""
    return cast(PersonSearchNetwork, load_weights(path, "person_search"))
