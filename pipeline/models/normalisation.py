"""Normalisation layers: which there are, and the frozen one."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops.misc import FrozenBatchNorm2d

Normalisation = Literal["batch", "frozen_batch", "group"]
BatchNormalisation = Literal["batch", "frozen_batch"]

CHANNELS_PER_GROUP = 8
NUMBERS = ("weight", "bias", "running_mean", "running_var")
"""What trained and frozen batch normalisation both have, a value a channel each."""


class FrozenBatchNorm(FrozenBatchNorm2d):  # type: ignore[misc]
    """Batch normalisation with fixed statistics and scales; torchvision's, with its names of tensors.

    torchvision's returns float32 under mixed precision, which is then kept for the gradient beside the half
    precision that the next convolution makes of it. This one keeps the type of its input, and nothing of the
    input's size for the gradient.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise `[N, C, H, W]`; the type stays."""
        result: Tensor = _FixedNormalisation.apply(
            features, self.running_mean, self.running_var, self.weight, self.bias, self.eps
        )
        return result


class RowNormalisation(nn.BatchNorm1d):
    """Batch normalisation of rows. A single row has no deviation, so it is normalised as in evaluation."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise `[N, C]`."""
        if self.training and len(rows) < 2:
            return functional.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(rows)


class _FixedNormalisation(torch.autograd.Function):
    """`functional.batch_norm` without training. PyTorch's own keeps the input for gradients of the scales."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> Tensor:
        ctx.save_for_backward(weight * (variance + eps).rsqrt())
        return functional.batch_norm(features, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (scale,) = gradients, ctx.saved_tensors
        return gradient * scale.to(gradient.dtype)[:, None, None], None, None, None, None, None


def normalisation_layer(name: Normalisation) -> Callable[[int], nn.Module]:
    """Return the constructor of a layer that takes its number of channels.

    `batch` learns its statistics and scales in training: take it for a network from scratch. `frozen_batch`
    keeps those of pretrained weights, since one or two scenes are too few to estimate them from. `group`
    needs no batch statistics.
    """
    if name == "batch":
        return nn.BatchNorm2d
    if name == "frozen_batch":
        return FrozenBatchNorm
    return lambda channels: nn.GroupNorm(math.gcd(channels, max(1, channels // CHANNELS_PER_GROUP)), channels)


def set_batch_normalisation(part: nn.Module, name: BatchNormalisation) -> None:
    """Let all batch normalisation below a module be trained, or all frozen; statistics and scales stay."""
    for parent in list(part.modules()):
        for child_name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d):
                new: Any = normalisation_layer(name)(len(child.weight))
                new.eps = child.eps
                numbers = {number: getattr(child, number).detach() for number in NUMBERS}
                new.load_state_dict(numbers, strict=False)
                setattr(parent, child_name, new)
