"""Channels last where PyTorch computes it rightly, and nowhere else."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from pipeline.models.backbones import BackboneOptions, build_backbone
from pipeline.training.engine.memory_layout import ONEDNN_BLOCK, channels_last_is_safe

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GRADIENT = """
import sys
import torch
from torch import nn

for channels in map(int, sys.argv[1:]):
    torch.manual_seed(0)
    convolution = nn.Conv2d(channels, 16, 1, stride=2, bias=False)
    images = torch.randn(6, channels, 48, 72)
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        convolution.zero_grad()
        learned = convolution.to(memory_format=layout)
        learned(images.to(memory_format=layout)).square().sum().backward()
        gradients.append(learned.weight.grad.clone())
    assert torch.allclose(*gradients, rtol=1e-3)
    print(channels, flush=True)
"""


@pytest.mark.parametrize(("width", "safe"), [(0.5, False), (1.0, True), (1.5, True)])
def test_a_narrow_network_is_left_as_it_is_on_a_cpu(width, safe):
    stem = build_backbone(BackboneOptions(name="tiny", width=width)).stem
    assert channels_last_is_safe(stem, CPU) == safe
    assert channels_last_is_safe(stem, GPU)


def test_only_strided_convolutions_of_one_pixel_are_meant():
    few = ONEDNN_BLOCK - 1
    assert not channels_last_is_safe(nn.Conv2d(few, 32, 1, stride=2), CPU)
    assert not channels_last_is_safe(nn.Conv2d(4 * few, 4 * few, 1, stride=2, groups=4), CPU)
    for sound in (
        nn.Conv2d(few, 32, 1),
        nn.Conv2d(few, 32, 3, stride=2, padding=1),
        nn.Conv2d(ONEDNN_BLOCK, 32, 1, stride=2),
    ):
        assert channels_last_is_safe(sound, CPU)


def test_what_is_said_to_be_safe_has_the_same_gradient():
    """In a process of its own: where it is not safe, the process dies or the gradient is another."""
    safe = [str(channels) for channels in (ONEDNN_BLOCK, 20, 24, 64)]
    command = [sys.executable, "-c", GRADIENT, *safe]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.split() == safe, result.stderr
    assert result.returncode == 0, result.stderr
