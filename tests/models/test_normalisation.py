"""Frozen batch normalisation: torchvision's numbers, in the input's type, with little kept for gradients."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

from pipeline.models.normalisation import NUMBERS, FrozenBatchNorm

MEBI = 2**20


def layers(channels, seed=0):
    """Ours and torchvision's, with the same numbers."""
    generator = torch.Generator().manual_seed(seed)
    theirs = FrozenBatchNorm2d(channels)
    for name in NUMBERS:
        getattr(theirs, name).copy_(torch.rand(channels, generator=generator) + 0.1)
    ours = FrozenBatchNorm(channels)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@given(
    seed=st.integers(0, 1000), channels=st.integers(1, 5), images=st.integers(0, 3), side=st.integers(1, 4)
)
@settings(deadline=None)
def test_output_and_gradient_are_torchvisions(seed, channels, images, side):
    generator = torch.Generator().manual_seed(seed)
    features, weights = torch.randn(2, images, channels, side, side, generator=generator)
    results = []
    for layer in layers(channels, seed):
        given_features = features.clone().requires_grad_()
        output = layer(given_features)
        (output * weights).sum().backward()
        results.append((output.detach(), given_features.grad))
    (own, own_gradient), (other, other_gradient) = results
    torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
    assert torch.equal(own_gradient, other_gradient)


def test_its_tensors_have_torchvisions_names():
    ours, theirs = layers(3)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert not list(ours.parameters())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_type_of_the_input_stays(kind):
    ours, theirs = layers(4)
    if kind == torch.float64:
        ours, theirs = ours.double(), theirs.double()
    features = torch.randn(2, 4, 5, 5, dtype=kind, requires_grad=True)
    output = ours(features)
    output.sum().backward()
    assert output.dtype == features.grad.dtype == kind
    torch.testing.assert_close(output, theirs(features).to(kind), rtol=2e-2, atol=2e-2)


def saved_for_gradients(normalisation, mixed):
    """MiB of features that a ResNet-18's stem keeps for one image: parameters and copies of them left out."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(norm_layer=normalisation)
    stem = nn.Sequential(
        network.conv1, network.bn1, network.relu, network.layer1, network.layer2, network.layer3
    )
    own = {value.shape for value in stem.state_dict().values()}
    kept = {}

    def keep(tensor):
        if tensor.shape not in own:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=mixed),
    ):
        stem(torch.rand(1, 3, 128, 128)).sum()
    return sum(size for size, _ in kept.values()) / MEBI


def test_mixed_precision_keeps_about_half_for_gradients():
    """With torchvision's it keeps more than float32 does."""
    plain, mixed = (saved_for_gradients(FrozenBatchNorm, mixed) for mixed in (False, True))
    assert plain <= saved_for_gradients(FrozenBatchNorm2d, mixed=False)
    assert mixed < 0.55 * plain
    assert mixed < 0.4 * saved_for_gradients(FrozenBatchNorm2d, mixed=True)
