"""Loading a network from whatever kind of file it is in. Nothing is imported that the kind does not need."""

from pathlib import Path
from typing import TYPE_CHECKING

from person_search.extras import own
from person_search.networks.network import SearchNetwork
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import SAFETENSORS, check_is_file, kind_of
from pipeline.basics.hashing import sha256_of
from pipeline.inference.own_pictures.printable import printable

if TYPE_CHECKING:
    import torch

    from person_search.networks.exported_file import ExportedFile
    from person_search.networks.onnx_network import OnnxNetwork

ONNX = "an ONNX model"
"""What `kind_of` says of one."""
ONNX_ENDING = ".onnx"
IN_TORCH, IN_ONNX = "person_search.networks.torch_network", "person_search.networks.onnx_network"


def load_search_network(path: Path, device: "torch.device | None" = None) -> SearchNetwork:
    """Load the network of a file: a student's weights with PyTorch, an exported one with ONNX Runtime.

    Args:
        path: a student's weight file of the pipeline, or a file of `person-search export`; the content says
            which it is.
        device: where a network in PyTorch runs; None for what `PERSON_SEARCH_DEVICE` says.

    Raises:
        UserError: there is no such file, it holds no network that searches, or what its kind needs is not
            installed.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"no weight file at {printable(path)}; run `dvc repro` or `dvc pull` first")
    kind = kind_of(path)
    if kind == SAFETENSORS:
        in_torch: SearchNetwork = own(IN_TORCH, "pipeline").TorchNetwork(path, device)
        return in_torch
    if _is_exported(path):
        in_onnx: SearchNetwork = own(IN_ONNX, "onnx").OnnxNetwork(path)
        return in_onnx
    raise UserError(
        f"{printable(path)} is {kind or 'of an unknown kind'}; give a student's weights (.safetensors) or "
        f"a network of `person-search export` ({ONNX_ENDING})"
    )


def model_hash_of(path: Path) -> str:
    """Return the `model_hash` of the network in a file, without PyTorch.

    That of a student's weights is the file's own. An exported file mostly has that of the weights that it was
    made from, so that an index can be used with both.

    Raises:
        UserError: the file is an ONNX model, but no exported network.
        OSError: it cannot be read.
    """
    if not _is_exported(path):
        return sha256_of(path)
    network: OnnxNetwork = own(IN_ONNX, "onnx").OnnxNetwork(path)
    return network.model_hash


def described_export(path: Path) -> "ExportedFile | None":
    """Return what a network of `person-search export` says of itself; None for a file of another kind.

    Raises:
        UserError: the file is an ONNX model, but no exported network.
        OSError: it cannot be read.
    """
    if not path.is_file() or not _is_exported(path):
        return None
    network: OnnxNetwork = own(IN_ONNX, "onnx").OnnxNetwork(path)
    return network.described


def _is_exported(path: Path) -> bool:
    """Tell whether a file is an ONNX model, by its content, or else its name."""
    kind = kind_of(path)
    return kind == ONNX or (kind != SAFETENSORS and path.suffix.lower() == ONNX_ENDING)
