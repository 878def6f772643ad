"""Writing weight files: safetensors, with the architecture as JSON metadata, so that a file loads by itself.

It knows no network, so that a training depends on its own network's code and not on the other networks'.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from safetensors.torch import save
from torch import Tensor

from pipeline.atomic import write_atomically
from pipeline.options import Options

FORMAT_VERSION = "1"
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
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "architecture": json.dumps(architecture, sort_keys=True),
    }
    write_atomically(path, save(tensors, _in_one_entry(metadata)))


def _in_one_entry(metadata: Mapping[str, str]) -> dict[str, str]:
    """Put all metadata in one entry: safetensors writes several in an order that changes from run to run."""
    return {METADATA: json.dumps(metadata, sort_keys=True)}
