"""Weight files: safetensors, with the architecture as JSON metadata, so that a file loads by itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.atomic import write_atomically
from pipeline.errors import UserError
from pipeline.models.detector import Detector, DetectorOptions
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.reid import ReidModel, ReidOptions
from pipeline.options import Options, parse_options

FORMAT_VERSION = "1"
Kind = Literal["detector", "reid", "person_search"]

_CONSTRUCTORS: dict[str, tuple[type[Options], type[nn.Module]]] = {
    "detector": (DetectorOptions, Detector),
    "reid": (ReidOptions, ReidModel),
    "person_search": (PersonSearchOptions, PersonSearchNetwork),
}


def save_weights(path: Path, kind: Kind, options: Options, state: Mapping[str, Tensor]) -> None:
    """Write weights, beside first and then in place.

    Args:
        path: the file to make.
        kind: which network it is.
        options: the options that the network was built with.
        state: its state dict; copied to the CPU.
    """
    architecture = options.model_dump(mode="json")
    architecture["backbone"]["weights"] = "none"
    tensors = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "architecture": json.dumps(architecture, sort_keys=True),
    }
    write_atomically(path, save(tensors, _in_one_entry(metadata)))


def load_weights(path: Path, kind: Kind) -> nn.Module:
    """Build the network that a weight file describes, with its weights, in evaluation mode, on the CPU.

    Raises:
        UserError: there is no such file, it is damaged, or it holds another kind of network.
    """
    if not path.is_file():
        raise UserError(f"no weight file at {path}; run `dvc repro` or `dvc pull` first")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("person_search", "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a readable safetensors file ({error}); restore it with `dvc checkout`"
        ) from None
    if metadata.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{path} was not written by this program (no architecture of version {FORMAT_VERSION} in it)"
        )
    if metadata["kind"] != kind:
        raise UserError(f"{path} holds a network of kind '{metadata['kind']}', not '{kind}'")
    options_class, network_class = _CONSTRUCTORS[kind]
    options = parse_options(options_class, json.loads(metadata["architecture"]), str(path))
    with torch.random.fork_rng(devices=[]):
        network = network_class(options)
    network.load_state_dict(state)
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


def _in_one_entry(metadata: Mapping[str, str]) -> dict[str, str]:
    """Put all metadata in one entry: safetensors writes several in an order that changes from run to run."""
    return {"person_search": json.dumps(metadata, sort_keys=True)}
