"""What makes several devices that train together mean the same as one device with all of their images.

Each device has a part of the batch. Losses are means, so each counts by how much it is a mean over.
Statistics, and what is compared within a batch, are of all devices. What a detector draws is in
`training/joint_draws.py`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_gather as all_gather_with_gradient
from torch.distributed.nn.functional import all_reduce as sum_with_gradient


def ranks() -> int:
    """Return how many processes train together: 1 where nothing else was set up."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def over_devices(fabric: Fabric, number: int, which: Literal["min", "max"]) -> int:
    """Return the least or the greatest of the numbers that the devices have, so that all do the same."""
    return int(fabric.all_reduce(torch.tensor(number, device=fabric.device), reduce_op=which))  # type: ignore[arg-type]


def joint_losses(losses: Mapping[str, Tensor], counts: Callable[[], Mapping[str, int]]) -> dict[str, Tensor]:
    """Scale this device's losses so that the mean over devices is the loss of the joint batch.

    A mean over n of N is scaled by `ranks n / N`. Gradients are averaged over devices, so they come out right
    as well. With one device, the losses come back as they are.

    Args:
        losses: scalars by name.
        counts: returns how much each of them is a mean over, on this device. A loss that is not there is the
            joint batch's already. It is not called with one device: it may have to wait for a GPU.
    """
    if ranks() == 1:
        return dict(losses)
    device = next(iter(losses.values())).device
    known = counts()
    own = torch.tensor([known.get(name, 1) for name in losses], dtype=torch.float32, device=device)
    total = own.clone()
    distributed.all_reduce(total)
    factors = ranks() * own / total.clamp(min=1)
    return {name: factor * loss for (name, loss), factor in zip(losses.items(), factors, strict=True)}


def gather_rows(rows: Tensor) -> Tensor:
    """Gather rows `[n, ...]` of all devices, in the order of their ranks; n may differ between them.

    No gradient goes through. With one device they come back as they are.
    """
    if ranks() == 1:
        return rows
    kept = lengths_of(rows)
    padded = _padded(rows, max(kept))
    parts = [torch.empty_like(padded) for _ in kept]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:length] for part, length in zip(parts, kept, strict=True)])


def gather_rows_with_gradient(rows: Tensor) -> Tensor:
    """Do as `gather_rows`, and let each device's rows have the gradients of what all devices made of them."""
    if ranks() == 1:
        return rows
    kept = lengths_of(rows)
    parts = all_gather_with_gradient(_padded(rows, max(kept)))  # type: ignore[no-untyped-call]
    return torch.cat([part[:length] for part, length in zip(parts, kept, strict=True)])


def lengths_of(rows: Tensor) -> list[int]:
    """Return how many rows each device has, by rank."""
    own = torch.tensor([len(rows)], device=rows.device)
    lengths = [torch.empty_like(own) for _ in range(ranks())]
    distributed.all_gather(lengths, own)
    return [int(length) for length in torch.cat(lengths).tolist()]


def _padded(rows: Tensor, length: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(length - len(rows), *rows.shape[1:])])


def synchronise_batch_norm(network: nn.Module, device: torch.device) -> None:
    """Let trained batch normalisation take its statistics over all devices. With one, nothing is changed.

    Args:
        network: it may still be on the CPU. It is no batch normalisation itself.
        device: where it is trained.
    """
    if ranks() == 1:
        return
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.forward = lambda features, norm=module: _joint_batch_norm(norm, features)  # type: ignore[method-assign, misc]


def _joint_batch_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d, features: Tensor) -> Tensor:
    """Normalise `[N, C, ...]` on the CPU, where PyTorch has no synchronised batch normalisation."""
    if not norm.training:
        return type(norm).forward(norm, features)
    values = features.float()
    others = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    count = sum(lengths_of(values)) * math.prod(values.shape[2:])
    if not count:  # no device has a RoI: PyTorch leaves the statistics alone
        return type(norm).forward(norm, features)
    mean = joint_sum(values.sum(dim=others)) / count
    centred = values - mean.reshape(shape)
    variance = joint_sum(centred.square().sum(dim=others)) / count
    _move_statistics(norm, mean.detach(), variance.detach() * count / max(count - 1, 1))
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    normalised: Tensor = centred * scale.reshape(shape) + norm.bias.reshape(shape)
    return normalised.to(features.dtype)


def joint_sum(values: Tensor) -> Tensor:
    """Return the sum over devices, through which gradients go; with one device, what is given."""
    if ranks() == 1:
        return values
    total: Tensor = sum_with_gradient(values)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def _move_statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance, norm.momentum)
