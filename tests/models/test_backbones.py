"""Every backbone: where it is cut, what it is normalised by, and what does not learn."""

import pytest
import torch
import torchvision
from pydantic import ValidationError
from torch import nn

from pipeline.basics.errors import UserError
from pipeline.models.backbones import BackboneOptions, build_backbone
from pipeline.models.normalisation import FrozenBatchNorm

CHANNELS = {
    "tiny": (64, 128),
    "resnet18": (256, 512),
    "resnet34": (256, 512),
    "resnet50": (1024, 2048),
    "mobilenet_v2": (96, 1280),
}
LAYERS = {"batch": nn.BatchNorm2d, "frozen_batch": FrozenBatchNorm, "group": nn.GroupNorm}


def modules_of(backbone):
    return [*backbone.stem.modules(), *backbone.tail.modules()]


@pytest.mark.parametrize("name", CHANNELS)
def test_stride_and_channels(name):
    backbone = build_backbone(BackboneOptions(name=name))
    assert (backbone.stem_channels, backbone.tail_channels) == CHANNELS[name]
    with torch.no_grad():
        features = backbone.stem.eval()(torch.zeros(2, 3, 64, 96))
        assert features.shape == (2, backbone.stem_channels, 4, 6)
        assert backbone.tail.eval()(features).shape == (2, backbone.tail_channels, 2, 3)
        assert backbone.tail(features[:0]).shape == (0, backbone.tail_channels, 2, 3)


@pytest.mark.parametrize("width", [0.01, 0.3, 0.5, 1.1, 1.5])
@pytest.mark.parametrize("normalisation", LAYERS)
def test_any_width_and_normalisation_of_tiny(width, normalisation):
    backbone = build_backbone(BackboneOptions(name="tiny", width=width, normalisation=normalisation))
    assert backbone.tail_channels == max(1, round(128 * width))
    assert backbone.stem(torch.zeros(1, 3, 32, 32)).shape == (1, backbone.stem_channels, 2, 2)


@pytest.mark.parametrize("name", ["tiny", "resnet18", "mobilenet_v2"])
@pytest.mark.parametrize("normalisation", LAYERS)
def test_normalisation_is_the_one_asked_for(name, normalisation):
    modules = modules_of(build_backbone(BackboneOptions(name=name, normalisation=normalisation)))
    kinds = {type(module) for module in modules if isinstance(module, tuple(LAYERS.values()))}
    assert kinds == {LAYERS[normalisation]}


def test_frozen_batch_norm_has_nothing_that_learns_or_moves():
    backbone = build_backbone(BackboneOptions(name="tiny", normalisation="frozen_batch"))
    assert all(parameter.ndim == 4 for parameter in backbone.stem.parameters())
    before = {name: value.clone() for name, value in backbone.stem.state_dict().items()}
    backbone.stem.train()(torch.randn(2, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in backbone.stem.state_dict().items())


def test_trained_batch_norm_moves():
    backbone = build_backbone(BackboneOptions(name="tiny"))
    before = backbone.stem[0][1].running_mean.clone()
    backbone.stem.train()(torch.randn(2, 3, 32, 32))
    assert not torch.equal(backbone.stem[0][1].running_mean, before)


def test_group_norm_does_not_look_at_the_batch():
    stem = build_backbone(BackboneOptions(name="tiny", normalisation="group")).stem.train()
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(stem(images)[:1], stem(images[:1]))


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("tiny", "after_conv4"),
        ("resnet18", "after_conv4"),
        ("resnet50", "within_conv4"),
        ("mobilenet_v2", "after_conv4"),
    ],
)
def test_frozen_stages(name, cut):
    strides = [64 // features.shape[-1] for features in features_of_parts(name, cut)]
    for stages in range(5):
        backbone = build_backbone(BackboneOptions(name=name, cut=cut, frozen_stages=stages))
        learn = [[p.requires_grad for p in part.parameters()] for part in backbone.stem]
        frozen = [
            place < stages if stages < 2 else stride <= 2**stages for place, stride in enumerate(strides)
        ]
        assert [not any(part) for part in learn] == frozen
        assert [all(part) for part in learn] == [not part for part in frozen]
        assert all(parameter.requires_grad for parameter in backbone.tail.parameters())


def features_of_parts(name, cut):
    """Return what each part of a stem makes of a picture of 64 x 64 pixels."""
    features, results = torch.zeros(1, 3, 64, 64), []
    for part in build_backbone(BackboneOptions(name=name, cut=cut)).stem.eval():
        features = part(features)
        results.append(features)
    return results


def test_there_are_four_stages_to_freeze():
    with pytest.raises(ValidationError, match="frozen_stages"):
        BackboneOptions(name="tiny", frozen_stages=5)


@pytest.mark.parametrize(("normalisation", "of_tail"), [("frozen_batch", "batch"), ("batch", "frozen_batch")])
@pytest.mark.parametrize("name", ["tiny", "resnet18", "mobilenet_v2"])
def test_the_tail_may_be_normalised_in_another_way(name, normalisation, of_tail):
    torch.manual_seed(0)
    plain = build_backbone(BackboneOptions(name=name, normalisation=normalisation))
    torch.manual_seed(0)
    mixed = build_backbone(
        BackboneOptions(name=name, normalisation=normalisation, tail_normalisation=of_tail)
    )
    for part, kind in ((mixed.stem, normalisation), (mixed.tail, of_tail)):
        found = {type(module) for module in part.modules() if isinstance(module, tuple(LAYERS.values()))}
        assert found == {LAYERS[kind]}
    features = torch.randn(3, plain.stem_channels, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(mixed.tail.eval()(features), plain.tail.eval()(features))


def test_a_trained_tail_starts_from_the_pretrained_statistics(tmp_path):
    network = torchvision.models.resnet18()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(1, 2)
            nn.init.normal_(module.weight)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    options = BackboneOptions(name="resnet18", normalisation="frozen_batch", weights=str(tmp_path / "w.pth"))
    tail = build_backbone(options.model_copy(update={"tail_normalisation": "batch"})).tail
    for name, value in network.layer4.state_dict().items():
        assert torch.equal(tail[0].state_dict()[name], value)
    assert tail[0][0].bn1.weight.requires_grad


@pytest.mark.parametrize(
    ("name", "conv4", "half"), [("resnet18", 2, 1), ("resnet34", 6, 3), ("resnet50", 6, 3)]
)
def test_a_cut_within_conv4_moves_its_second_half_into_the_tail(name, conv4, half):
    """OIM cuts a ResNet-50 after conv4_3."""
    torch.manual_seed(0)
    plain = build_backbone(BackboneOptions(name=name))
    torch.manual_seed(0)
    within = build_backbone(BackboneOptions(name=name, cut="within_conv4"))
    assert (len(plain.stem[3]), len(within.stem[3]), len(within.tail[0])) == (conv4, half, conv4 - half)
    assert (within.stem_channels, within.tail_channels) == CHANNELS[name]
    images = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        features = within.stem.eval()(images)
        assert features.shape == (1, within.stem_channels, 2, 3)
        assert torch.equal(within.tail.eval()(features), plain.tail.eval()(plain.stem.eval()(images)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "tiny", "weights": "imagenet"}, "no pretrained weights"),
        ({"name": "resnet18", "width": 0.5}, "'width' scales only 'tiny'"),
        ({"name": "resnet18", "weights": "imagenet", "normalisation": "group"}, "frozen_batch"),
        ({"name": "resnet18", "weights": "imagenet_v1", "normalisation": "group"}, "frozen_batch"),
        ({"name": "tiny", "normalisation": "group", "tail_normalisation": "batch"}, "tail_normalisation"),
        ({"name": "tiny", "cut": "within_conv4"}, "only a ResNet is cut within_conv4; 'tiny'"),
        ({"name": "mobilenet_v2", "cut": "within_conv4"}, "only a ResNet"),
    ],
)
def test_options_that_do_not_go_together(options, says):
    with pytest.raises(UserError, match=says):
        build_backbone(BackboneOptions(**options))


def test_imagenet_weights_that_cannot_be_had(monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(UserError, match=r"imagenet weights of resnet18 cannot be had .Name or service"):
        build_backbone(BackboneOptions(name="resnet18", weights="imagenet"))


@pytest.mark.parametrize(("weights", "version"), [("imagenet", "V2"), ("imagenet_v1", "V1")])
def test_which_imagenet_weights_are_asked_for(weights, version, monkeypatch):
    asked = []

    def taken(url, *args, **kwargs):
        asked.append(url)
        return torchvision.models.resnet50().state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", taken)
    build_backbone(BackboneOptions(name="resnet50", weights=weights, normalisation="frozen_batch"))
    assert asked == [getattr(torchvision.models.ResNet50_Weights, f"IMAGENET1K_{version}").url]
