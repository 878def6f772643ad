"""The memory layout of a network: channels last is faster on a CPU, but not always right."""

import torch
from torch import nn

ONEDNN_BLOCK = 16
"""Channels that oneDNN takes at once with AVX-512 (8 with AVX2)."""


def channels_last_is_safe(network: nn.Module, device: torch.device) -> bool:
    """Tell whether a network may be trained with its channels last.

    oneDNN (its issue 6035, open in November 2026) writes past its workspace when it computes the gradient of
    a 1x1 convolution with a stride, channels last and fewer input channels than a block: the process dies, or
    the gradient is silently wrong.
    """
    if device.type != "cpu":
        return True
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    return not any(
        max(convolution.kernel_size) == 1
        and max(convolution.stride) > 1
        and convolution.in_channels // convolution.groups < ONEDNN_BLOCK
        for convolution in convolutions
    )
