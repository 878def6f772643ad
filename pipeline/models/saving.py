"""Writing weight files: safetensors, with the architecture as JSON metadata, so that a file loads by itself.

It knows no network, so that a training depends on its own network's code and not on the other networks'.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor

from pipeline.basics.atomic import write_atomically
from pipeline.basics.options import Options

FORMAT_VERSION = "2"
METADATA = "person_search"
"""The one metadata entry that everything is in."""

Kind = Literal["detector", "reid", "person_search"]


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
    described = json.dumps(architecture, sort_keys=True)
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "architecture": described,
        "sha256": digest_of(described, tensors),
    }
    write_atomically(path, save(tensors, _in_one_entry(metadata)))


def digest_of(architecture: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of an architecture and of tensors: their names, kinds, shapes and values."""
    digest = hashlib.sha256(architecture.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _in_one_entry(metadata: Mapping[str, str]) -> dict[str, str]:
    """Put all metadata in one entry: safetensors writes several in an order that changes from run to run."""
    return {METADATA: json.dumps(metadata, sort_keys=True)}
