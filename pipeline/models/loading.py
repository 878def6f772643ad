"""Reading weight files: a file says which network it holds, and loads without params.yaml.

It knows no network, so that a stage that loads one depends on that network's code and on no other;
`weights.py` knows them all.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, parse_options
from pipeline.models.saving import FORMAT_VERSION, METADATA, Kind, digest_of

OptionsClass = TypeVar("OptionsClass", bound=Options)
Network = TypeVar("Network", bound=nn.Module)


def load_network(
    path: Path,
    kind: Kind,
    options_class: type[OptionsClass],
    network_class: Callable[[OptionsClass], Network],
) -> Network:
    """Build the network that a weight file describes, with its weights, in evaluation mode, on the CPU.

    Args:
        path: the weight file.
        kind: which network it must hold.
        options_class: what the architecture in the file is read as.
        network_class: what is built from it.

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
    if metadata.get("sha256") != digest_of(metadata["architecture"], state):
        raise UserError(
            f"{path} is damaged: its content is not what was written; restore it with `dvc checkout`"
        )
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise UserError(f"{path} holds values that are not finite; restore it with `dvc checkout`")
    return network.eval()
