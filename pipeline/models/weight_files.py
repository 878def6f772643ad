"""Weight files: safetensors, with the architecture as JSON metadata, so that a file loads by itself.

Each network has a `load` of its own; `load_network` is what these share.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import EMPTY, SAFETENSORS, check_is_file, is_refused, kind_of, restoring
from pipeline.basics.options import Options, parse_options

FORMAT_VERSION = "3"
READ_VERSIONS = ("2", FORMAT_VERSION)
"""Files of version 2 do not say what their network was trained on."""
METADATA = "person_search"
"""The one metadata entry that everything is in."""

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""How the names of tensors end that no optimiser changes."""
Kind = Literal["detector", "reid", "person_search"]


class Origin(NamedTuple):
    """What a network was trained on.

    Attributes:
        data_set: the name of the data set.
        sha256: by name, the fingerprint of the prepared data (`data`, or `crops`) and the SHA-256 of each
            teacher's file (`table`, `detector`), as the training's checkpoints have them.
    """

    data_set: str
    sha256: Mapping[str, str]


def save_weights(
    path: Path, kind: Kind, options: Options, state: Mapping[str, Tensor], origin: Origin | None = None
) -> None:
    """Write weights, beside first and then in place.

    Args:
        path: the file to make.
        kind: which network it is.
        options: the options that the network was built with.
        state: its state dict; copied to the CPU.
        origin: what it was trained on; None where it was not trained.
    """
    architecture = options.model_dump(mode="json")
    architecture["backbone"]["weights"] = "none"
    tensors = {name: state[name].detach().cpu().contiguous() for name in sorted(state)}
    described = json.dumps(architecture, sort_keys=True)
    came_from = "" if origin is None else json.dumps(origin._asdict(), sort_keys=True, default=dict)
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "architecture": described,
        "origin": came_from,
        "sha256": digest_of(described + came_from, tensors),
    }
    write_atomically(path, save(tensors, _in_one_entry(metadata)))


def digest_of(described: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a network's description and of tensors: their names, kinds, shapes and values."""
    digest = hashlib.sha256(described.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _in_one_entry(metadata: Mapping[str, str]) -> dict[str, str]:
    """Put all metadata in one entry: safetensors writes several in an order that changes from run to run."""
    return {METADATA: json.dumps(metadata, sort_keys=True)}


OptionsClass = TypeVar("OptionsClass", bound=Options)
Network = TypeVar("Network", bound=nn.Module)
MAKE = "dvc repro"


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
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"no weight file at {path}; run `dvc repro` or `dvc pull` first")
    metadata, state = _read(path)
    if metadata.get("kind") != kind:
        raise UserError(f"{path} holds a network of kind '{metadata.get('kind')}', not '{kind}'")
    try:
        architecture = json.loads(metadata.get("architecture", ""))
    except (TypeError, ValueError, RecursionError):
        raise UserError(f"{path} does not say its architecture; {restoring(path, MAKE)}") from None
    options = parse_options(options_class, architecture, str(path))
    with torch.random.fork_rng(devices=[]):
        network = network_class(options)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise UserError(
            f"{path}: its tensors are not those of its architecture; {restoring(path, MAKE)}"
        ) from None
    _check_digest(path, metadata, state)
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise UserError(f"{path} holds values that are not finite; {restoring(path, MAKE)}")
    return network.eval()


class Description(NamedTuple):
    """What a weight file says of its network.

    Attributes:
        kind: which network it is.
        architecture: the options that it was built with.
        parameters: how many numbers training can change; statistics of normalisation are not among them.
        origin: what it was trained on; None where the file does not say.
    """

    kind: Kind
    architecture: Mapping[str, Any]
    parameters: int
    origin: Origin | None


def describe_weights(path: Path) -> Description:
    """Return what a weight file says of its network, without building it.

    Raises:
        UserError: there is no such file, or it is damaged or no weight file of this program.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"no weight file at {path}")
    metadata, state = _read(path)
    _check_digest(path, metadata, state)
    trained = sum(tensor.numel() for name, tensor in state.items() if not name.endswith(STATISTICS))
    try:
        origin = Origin(**json.loads(metadata["origin"])) if metadata.get("origin") else None
        return Description(metadata["kind"], json.loads(metadata["architecture"]), trained, origin)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise _damaged(path) from None


def _check_digest(path: Path, metadata: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Raise `UserError` where a file's description and tensors are not those that were written."""
    described = f"{metadata.get('architecture')}{metadata.get('origin', '')}"
    try:
        sound = metadata.get("sha256") == digest_of(described, state)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        sound = False
    if not sound:
        raise _damaged(path)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged: its content is not what was written; {restoring(path, MAKE)}")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what a file of this program says of itself, whose values may be anything, and its tensors."""
    metadata, tensors = _read_any(path)
    if not isinstance(metadata, dict) or metadata.get("format_version") not in READ_VERSIONS:
        raise UserError(
            f"{path} was not written by this program (no architecture of version {FORMAT_VERSION} in it)"
        )
    return metadata, tensors


def _read_any(path: Path) -> tuple[Any, dict[str, Tensor]]:
    """Return what a safetensors file says of itself, which may be anything, and its tensors."""
    kind = kind_of(path)
    if kind not in (None, EMPTY, SAFETENSORS):
        raise UserError(f"{path} is not a readable safetensors file, but {kind}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError) and is_refused(error):
            raise OSError(error.errno, error.strerror, str(path)) from None
        reason = f"it is {EMPTY}" if kind == EMPTY else error
        raise UserError(
            f"{path} is not a readable safetensors file ({reason}); {restoring(path, MAKE)}"
        ) from None
