"""How pictures and features are normalised: mean and spread of ImageNet's pixels, and layers by name."""

import math
from collections.abc import Callable
from typing import Literal

from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

Normalisation = Literal["batch", "frozen_batch", "group"]

IMAGENET_MEAN = [0.485, 0.456, 0.406]
"""Of red, green and blue, 0..1, as torchvision's pretrained networks expect."""
IMAGENET_STD = [0.229, 0.224, 0.225]
CHANNELS_PER_GROUP = 8


def normalisation_layer(name: Normalisation) -> Callable[[int], nn.Module]:
    """Return the constructor of a layer that takes its number of channels.

    `batch` learns with the network and must be used from scratch; `frozen_batch` keeps the statistics and
    scales of pretrained weights (batches of one or two scenes are too small to estimate them); `group`
    depends on no batch at all.
    """
    if name == "batch":
        return nn.BatchNorm2d
    if name == "frozen_batch":
        frozen: Callable[[int], nn.Module] = FrozenBatchNorm2d
        return frozen
    return lambda channels: nn.GroupNorm(math.gcd(channels, max(1, channels // CHANNELS_PER_GROUP)), channels)
