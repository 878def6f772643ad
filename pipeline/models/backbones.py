"""Backbones by name, each cut in two: a stem up to stride 16 and a tail that runs on every RoI."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torchvision
from pydantic import Field
from torch import nn
from torchvision.models.resnet import BasicBlock

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, added_field
from pipeline.models.normalisation import (
    BatchNormalisation,
    Normalisation,
    normalisation_layer,
    set_batch_normalisation,
)
from pipeline.models.pretrained import load_trunk

IMAGENET_MEAN = [0.485, 0.456, 0.406]
"""Of red, green and blue, 0..1, as torchvision's pretrained networks expect."""
IMAGENET_STD = [0.229, 0.224, 0.225]
STRIDE = 16
"""Pixels of an image in a cell of the stem's features, along each side."""
STRIDES = (2, 4, 8, STRIDE)
"""Of the features after the first convolution and after each of the stem's stages, in their order."""
FEATURE_LEVEL = "0"
"""What the stem's features are called among features by level."""
EARLY_LEVEL = "early"
"""What its features of a smaller stride are called, where RoIs are pooled from them."""
TINY_CHANNELS = (16, 32, 64, 128)
IMAGENET = {"imagenet": "DEFAULT", "imagenet_v1": "IMAGENET1K_V1"}
"""Values of `weights` that are downloaded, and torchvision's names; ResNet-18 and 34 have one version."""
LONGEST_REASON = 160

# Scripts from before 2026-11 import this module as `pipeline.models.backbones.backbones`.
sys.modules[f"{__name__}.backbones"] = sys.modules[__name__]


class BackboneOptions(Options):
    """Which backbone, and what it starts from.

    Attributes:
        name: `tiny` is a narrow ResNet for the CPU (ours); the others are torchvision's.
        width: multiplies the channels of `tiny` (16, 32, 64, 128); 1.0 for the others.
        normalisation: see `normalisation_layer`.
        tail_normalisation: of the tail alone, `batch` or `frozen_batch`; None for that of the stem. OIM
            freezes the stem's and trains the tail's, which sees a hundred RoIs and more at once.
        weights: `none` (from scratch), `imagenet` (torchvision's newest, downloaded at the first use),
            `imagenet_v1` (torchvision's first, as old as the papers), or the path of a file that holds the
            trunk of torchvision's model of that name (see `pretrained.py`).
        frozen_stages: how many of the stem's stages do not learn: 0 none, 1 the first convolution (as OIM), 2
            all up to a stride of 4, 3 up to 8, 4 the whole stem. A step is as much shorter: MobileNetV2's
            with 2 takes half as long.
        cut: where a ResNet is cut in two: `after_conv4`, or `within_conv4`, which is after the first half of
            its blocks: OIM's conv4_3 in a ResNet-50.
    """

    name: Literal["tiny", "resnet18", "resnet34", "resnet50", "mobilenet_v2"]
    width: float = Field(default=1.0, gt=0)
    normalisation: Normalisation = "batch"
    tail_normalisation: BatchNormalisation | None = added_field(None)
    weights: str = "none"
    frozen_stages: int = Field(default=0, ge=0, le=4)
    cut: Literal["after_conv4", "within_conv4"] = added_field("after_conv4")


class NetworkOptions(Options):
    """What the options of every network hold; each network has more."""

    backbone: BackboneOptions


@dataclass(frozen=True)
class Backbone:
    """A backbone in two parts.

    Attributes:
        stem: images `[B, 3, H, W]` to features `[B, stem_channels, H/16, W/16]`.
        tail: features `[R, stem_channels, h, w]` to `[R, tail_channels, h/2, w/2]`.
        stage_ends: how many of the stem's parts end with each of `STRIDES`.
    """

    stem: nn.Sequential
    tail: nn.Sequential
    stem_channels: int
    tail_channels: int
    stage_ends: tuple[int, int, int, int] = (1, 2, 3, 4)

    def parts_up_to(self, stride: int) -> int:
        """Return how many of the stem's parts there are up to one of `STRIDES`."""
        return self.stage_ends[STRIDES.index(stride)]


def build_backbone(options: BackboneOptions) -> Backbone:
    """Build a backbone. Raises `UserError` where options do not go together or weights cannot be had."""
    resnet = options.name.startswith("resnet")
    if options.cut != "after_conv4" and not resnet:
        raise UserError(f"backbone: only a ResNet is cut {options.cut}; '{options.name}' takes after_conv4")
    if options.tail_normalisation and options.normalisation == "group":
        raise UserError("backbone: tail_normalisation is of batch normalisation, but normalisation is group")
    if options.name == "tiny":
        backbone = _tiny(options)
    elif options.name == "mobilenet_v2":
        backbone = _mobilenet_v2(options)
    else:
        backbone = _resnet(options)
    if options.tail_normalisation:
        set_batch_normalisation(backbone.tail, options.tail_normalisation)
    frozen = (0, *backbone.stage_ends)[options.frozen_stages]
    for parameter in backbone.stem[:frozen].parameters():
        parameter.requires_grad_(False)
    return backbone


def _tiny(options: BackboneOptions) -> Backbone:
    if options.weights != "none":
        raise UserError("backbone: 'tiny' has no pretrained weights; set weights: none")
    norm = normalisation_layer(options.normalisation)
    channels = [max(1, round(c * options.width)) for c in TINY_CHANNELS]
    first = nn.Sequential(
        nn.Conv2d(3, channels[0], 3, stride=2, padding=1, bias=False),
        norm(channels[0]),
        nn.ReLU(inplace=True),
    )
    blocks = [
        _narrow_block(channels[0], channels[0], norm),
        _narrow_block(channels[0], channels[1], norm),
        _narrow_block(channels[1], channels[2], norm),
    ]
    tail = nn.Sequential(_narrow_block(channels[2], channels[3], norm))
    _initialise(first, *blocks, tail)
    return Backbone(nn.Sequential(first, *blocks), tail, channels[2], channels[3])


def _narrow_block(channels_in: int, channels_out: int, norm: Callable[[int], nn.Module]) -> BasicBlock:
    downsample = nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride=2, bias=False), norm(channels_out)
    )
    return BasicBlock(channels_in, channels_out, stride=2, downsample=downsample, norm_layer=norm)


def _initialise(*parts: nn.Module) -> None:
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _resnet(options: BackboneOptions) -> Backbone:
    network = _from_torchvision(options, "fc")
    first = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    conv4, rest = network.layer3, [network.layer4]
    if options.cut == "within_conv4":
        half = len(conv4) // 2
        conv4, rest = conv4[:half], [conv4[half:], network.layer4]
    stem = nn.Sequential(first, network.layer1, network.layer2, conv4)
    channels = network.fc.in_features
    return Backbone(stem, nn.Sequential(*rest), channels // 2, channels)


def _mobilenet_v2(options: BackboneOptions) -> Backbone:
    """MobileNetV2, cut before the block that takes the stride from 16 to 32."""
    stride_32 = 14
    features = _from_torchvision(options, "classifier").features
    stem, tail = features[:stride_32], features[stride_32:]
    return Backbone(stem, tail, stem[-1].out_channels, tail[-1].out_channels, stage_ends=(1, 4, 7, stride_32))


def _from_torchvision(options: BackboneOptions, classifier: str) -> Any:
    """Return torchvision's model of that name, which has no types.

    Args:
        options: its name and weights.
        classifier: name of its last part, which is thrown away.
    """
    if options.width != 1.0:
        raise UserError(f"backbone: 'width' scales only 'tiny'; '{options.name}' takes width: 1.0")
    constructor = getattr(torchvision.models, options.name)
    norm = normalisation_layer(options.normalisation)
    if options.weights in IMAGENET and options.normalisation == "group":
        raise UserError(
            f"backbone: weights: {options.weights} are of batch normalisation; "
            "set normalisation: frozen_batch"
        )
    if options.weights in IMAGENET:
        try:
            return constructor(weights=IMAGENET[options.weights], norm_layer=norm)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"backbone: the imagenet weights of {options.name} cannot be had ({_one_line(error)})"
            ) from None
    network = constructor(weights=None, norm_layer=norm)
    if options.weights != "none":
        load_trunk(network, options.name, classifier, Path(options.weights))
    return network


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
