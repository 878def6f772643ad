"""What running a network costs: parameters, and floating-point operations an image."""

from collections.abc import Callable

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

COUNTED_SCENES = 16
"""Over how many scenes the operations are averaged: they depend on how many people are found."""


def count_parameters(network: nn.Module) -> int:
    """Return the number of a network's parameters, frozen ones included; buffers do not count."""
    return sum(parameter.numel() for parameter in network.parameters())


def flops_an_image(run: Callable[[int], object], scenes: int) -> float:
    """Return the mean number of floating-point operations of a run over one scene.

    A multiplication and the addition that follows count as two. Convolutions and matrix products are counted;
    normalisation, RoIAlign and non-maximum suppression are not.

    Args:
        run: runs a network over the scene of an index.
        scenes: how many there are; the first `COUNTED_SCENES` are run.
    """
    counted = min(scenes, COUNTED_SCENES)
    if not counted:
        return 0.0
    with FlopCounterMode(display=False) as counter:
        for index in range(counted):
            run(index)
    return float(counter.get_total_flops()) / counted
