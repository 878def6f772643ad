"""The module that is exported, beside the network's own search, without ONNX."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from person_search.export.half import halve
from person_search.export.layers import GroupNormalisation, prepare_layers
from person_search.export.operators import fit, resized_size, strongest
from person_search.export.search_graph import OnePicture, PictureBatch
from pipeline.models.backbones import BackboneOptions, build_backbone
from pipeline.models.post_processing import strongest as one_image
from tests.person_search.networks.students import picture, student
from tests.tiny import EARLIER, EARLY, STRIPED, backbone

BOXES = torch.tensor([[10.0, 8.0, 40.0, 60.0], [0.0, 0.0, 47.0, 50.0]])
SIZES = [(96, 128), (50, 200), (61, 47), (300, 401), (20, 128), (9, 128)]
"""(height, width): of the network's own size, larger, narrow, and no multiples of the stride."""


@pytest.fixture(
    scope="module",
    params=[
        {"head": "oim"},
        {"head": "oim", "embed_at": "proposal"},
        {"head": "seqnet"},
        {"head": "seqnet", "embed_at": "final_box"},
        {"head": "oim", "roi": STRIPED},
        {"head": "seqnet", "roi": STRIPED},
        {"head": "oim", "roi": EARLIER, "backbone": backbone("group")},
        {"head": "seqnet", "roi": EARLY, "backbone": backbone("frozen_batch")},
        {"head": "oim", "backbone": backbone("group")},
        {"head": "oim", "backbone": backbone("frozen_batch")},
    ],
    ids=str,
)
def network(request):
    return student(**request.param)


def searched(network, pixels):
    """Return what `search` finds, and the embeddings of `BOXES`."""
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    (found,), (embeddings,) = network.search([tensor], [BOXES])
    return *(found[name] for name in ("boxes", "scores", "embeddings")), embeddings


def check_equal(found, expected):
    for own, other, tolerance in zip(found, expected, (1e-3, 1e-5, 1e-4, 1e-4), strict=True):
        assert own.shape == other.shape
        torch.testing.assert_close(own, other, atol=tolerance, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_one_picture_is_searched_as_by_the_network(network, size):
    pixels = picture(*size)
    prepared = copy.deepcopy(network)
    prepare_layers(prepared)
    with torch.no_grad():
        found = OnePicture(prepared)(torch.from_numpy(pixels), BOXES)
    expected = searched(network, pixels)
    assert len(expected[0]) > 0
    check_equal(found, expected)


def test_half_embeds_boxes_nearly_the_same(network):
    """Whatever runs twice, on scenes and on RoIs, is halved once, and its own layers are left alone."""
    prepared, pixels = copy.deepcopy(network), picture(50, 90)
    prepare_layers(prepared)
    halve(prepared)
    with torch.no_grad():
        *_, embeddings = OnePicture(prepared)(torch.from_numpy(pixels), BOXES)
    *_, expected = searched(network, pixels)
    assert embeddings.dtype == torch.float32
    assert functional.cosine_similarity(embeddings, expected).min() >= 0.999
    assert {weights.dtype for weights in prepared.stem.parameters()} == {torch.float16}
    assert {weights.dtype for weights in network.parameters()} == {torch.float32}


def test_pictures_of_a_batch_are_searched_as_each_alone(network):
    pictures = [picture(50, 90, seed) for seed in range(3)]
    where = torch.tensor([2, 0])
    with torch.no_grad():
        *found, counts, given = PictureBatch(network)(torch.from_numpy(np.stack(pictures)), BOXES, where)
    for place, pixels in enumerate(pictures):
        *expected, of_boxes = searched(network, pixels)
        count = int(counts[place])
        check_equal(
            [values[place, :count] for values in found] + [given[where == place]],
            [*expected, of_boxes[where == place]],
        )
        assert not any(values[place, count:].any() for values in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 300), st.integers(0, 300))
def test_pictures_are_resized_and_padded_as_by_torchvision(height, width, short, more):
    long = short + more
    if min(height, width) * long < max(height, width):
        return
    pixels = torch.from_numpy(picture(height, width)).permute(2, 0, 1).float() / 255
    transform = GeneralizedRCNNTransform(short, long, [0.0] * 3, [1.0] * 3, size_divisible=16).eval()
    expected = transform([pixels])[0]
    images, size = fit(pixels[None], short, long)
    assert tuple(size.tolist()) == tuple(expected.image_sizes[0]) == resized_size(height, width, short, long)
    torch.testing.assert_close(images, expected.tensors, atol=0, rtol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(1, 8))
def test_boxes_of_several_images_are_suppressed_as_those_of_each(seed, counts, most):
    generator = torch.Generator().manual_seed(seed)
    images = torch.repeat_interleave(torch.tensor(counts))
    corners = torch.rand(len(images), 2, generator=generator) * 30
    boxes = torch.cat([corners, corners + 5 + torch.rand(len(images), 2, generator=generator) * 30], dim=1)
    scores = torch.rand(len(images), generator=generator)
    by_image = torch.where(images[None] == torch.arange(len(counts))[:, None], scores[None], -1.0)
    kept = strongest(boxes, by_image, 0.3, 0.5, most)
    expected = []
    for image in range(len(counts)):
        own = torch.where(images == image)[0]
        places = one_image(boxes[own], scores[own], score_threshold=0.3, nms_threshold=0.5, most=most)
        expected += own[places].tolist()
    assert kept.tolist() == expected


@pytest.mark.parametrize("name", ["tiny", "resnet18", "resnet50", "mobilenet_v2"])
def test_no_batch_normalisation_is_left_in_a_backbone_and_its_numbers_stay(name):
    torch.manual_seed(0)
    built = build_backbone(BackboneOptions(name=name))
    features = torch.randn(1, 3, 32, 48)
    for part in (built.stem, built.tail):
        part.eval()
        for module in part.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
        folded = copy.deepcopy(part)
        prepare_layers(folded)
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
        with torch.no_grad():
            expected = part(features)
            difference = (folded(features) - expected).abs().max() / expected.abs().max()
        assert difference < 1e-4
        features = expected


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_group_normalisation_is_pytorchs(rows):
    torch.manual_seed(0)
    layer = torch.nn.GroupNorm(4, 12)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    features = torch.randn(rows, 12, 5, 3)
    torch.testing.assert_close(GroupNormalisation(layer)(features), layer(features), atol=1e-5, rtol=0)
