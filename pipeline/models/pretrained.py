"""Pretrained weights for a backbone's trunk, from the files that people have.

A file may be torchvision's, the checkpoint of a re-identification or detection model, or a state dict that
somebody saved: safetensors or PyTorch's own format. What the trunk has no use for, a classifier say, is
passed over; the trunk itself must be there whole.
"""

import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of

LOG = logging.getLogger(__name__)
TORCH_FORMATS = (b"PK", b"\x80")
"""The first bytes of a file by `torch.save`: a zip archive, or a pickle from older versions."""
HEADER_STARTS = 8
"""Position of a safetensors file's first brace, behind eight bytes that say the header's length."""
COUNTER = "num_batches_tracked"
"""A counter that only the training of batch normalisation reads. Frozen networks have none."""
NAMED = 3
"""How many names a message lists."""
LONGEST_REASON = 160


def pretrained_sha256(weights: str) -> dict[str, str]:
    """Return the SHA-256 of the file that a backbone starts from, by `pretrained`; nothing without a file."""
    path = Path(weights)
    return {"pretrained": sha256_of(path)} if path.is_file() else {}


def load_trunk(network: nn.Module, name: str, classifier: str, path: Path) -> None:
    """Give a network's trunk the weights of a file, and log how many tensors were taken.

    The trunk's tensors go by torchvision's names. The file may have any one prefix before all of them, such
    as `module.` or `state_dict.backbone.`, and any other tensors beside them.

    Args:
        network: torchvision's model.
        name: its name, for messages.
        classifier: the first part of the names of its classifier's tensors, which is left as it is.
        path: the file.

    Raises:
        UserError: the file cannot be read without unpickling code, or does not hold the whole trunk.
    """
    found = dict(_tensors(_content(path)))
    wanted = {
        key: value for key, value in network.state_dict().items() if not key.startswith(f"{classifier}.")
    }
    required = [key for key in wanted if not key.endswith(COUNTER)]
    prefix = _prefix(found, required, name, path)
    trunk = {key: found[prefix + key] for key in wanted if prefix + key in found}
    _check(trunk, wanted, _surplus(found, prefix, wanted), name, path)
    network.load_state_dict(trunk, strict=False)
    unused = [key for key in found if key not in {prefix + key for key in trunk}]
    beside = f"; not used: {_some(unused)}" if unused else ""
    LOG.info("backbone: %d tensors of %s taken for the trunk of %s%s", len(trunk), path, name, beside)


def _content(path: Path) -> Any:
    """Return the content of a weight file. No code in it is run."""
    if not path.is_file():
        raise UserError(
            f"backbone: no weight file at {path}; "
            "set weights: none, imagenet, imagenet_v1, or an existing file"
        )
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_STARTS + 1)
            if start.startswith(TORCH_FORMATS) and not start.endswith(b"{"):
                file.seek(0)  # and no path, of which PyTorch would take the suffix for the format
                return torch.load(file, map_location="cpu", weights_only=True)
        return load_file(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"backbone: {path} cannot be read as plain tensors, without running code of it "
            f"({_one_line(error)}); save the state dict alone: torch.save(model.state_dict(), FILE)"
        ) from None
    except OSError as error:
        raise UserError(f"backbone: {path} cannot be read ({error.strerror or _one_line(error)})") from None
    except (
        SafetensorError,
        ValueError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise UserError(
            f"backbone: {path} is neither a safetensors file nor one of PyTorch's, or it is damaged "
            f"({_one_line(error)})"
        ) from None


def _tensors(content: Any, before: str = "") -> Iterator[tuple[str, Tensor]]:
    """Return all tensors with their names, those of sections below (`state_dict`, `model`) included."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, Tensor):
                yield f"{before}{key}", value
            else:
                yield from _tensors(value, f"{before}{key}.")


def _prefix(found: Mapping[str, Tensor], required: Sequence[str], name: str, path: Path) -> str:
    """Return the prefix of the trunk's names in the file.

    Raises:
        UserError: the trunk is not there whole, or more than once.
    """
    before = {
        key.removesuffix(end): None
        for end in required
        for key in found
        if key == end or key.endswith(f".{end}")
    }
    missing = {prefix: [key for key in required if prefix + key not in found] for prefix in before}
    whole = [prefix for prefix in before if not missing[prefix]]
    if len(whole) == 1:
        return whole[0]
    if whole:
        raise UserError(
            f"backbone: {path} holds the trunk of {name} {len(whole)} times, under "
            f"{_some(whole)}; save the one that is meant alone"
        )
    lacking = min(missing.values(), key=len, default=list(required))
    raise UserError(
        f"backbone: {path} does not hold the whole trunk of {name}: {len(lacking)} of {len(required)} "
        f"tensors are missing ({_some(lacking)})"
    )


def _surplus(found: Mapping[str, Tensor], prefix: str, wanted: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors in the file's trunk that the network lacks."""
    modules = {key.split(".")[0] for key in wanted}
    names = [key.removeprefix(prefix) for key in found if key.startswith(prefix)]
    return [
        name
        for name in names
        if name.split(".")[0] in modules and name not in wanted and not name.endswith(COUNTER)
    ]


def _check(
    trunk: Mapping[str, Tensor], wanted: Mapping[str, Tensor], surplus: Sequence[str], name: str, path: Path
) -> None:
    """Check that the file's trunk is this network's: no further tensors, the same shapes, finite values."""
    shapes = [
        f"{key} {list(value.shape)} instead of {list(wanted[key].shape)}"
        for key, value in trunk.items()
        if value.shape != wanted[key].shape
    ]
    if shapes:
        raise UserError(f"backbone: {path} does not fit {name}: {_some(shapes)}")
    if surplus:
        raise UserError(
            f"backbone: {path} is of a larger network than {name}, or of another normalisation: it has "
            f"{_some(surplus)} in the trunk"
        )
    bad = [key for key, value in trunk.items() if not value.isfinite().all()]
    if bad:
        raise UserError(f"backbone: {path} holds values that are not finite ({_some(bad)})")


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(name or repr(name) for name in names[:NAMED]) + more


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
