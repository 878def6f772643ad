"""Backbones by name, each cut in two: a stem up to stride 16 and a tail that runs on every RoI."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torchvision
from pydantic import Field
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops.misc import FrozenBatchNorm2d

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.models.pretrained import load_trunk

Normalisation = Literal["batch", "frozen_batch", "group"]

IMAGENET_MEAN = [0.485, 0.456, 0.406]
"""Of red, green and blue, 0..1, as torchvision's pretrained networks expect."""
IMAGENET_STD = [0.229, 0.224, 0.225]
CHANNELS_PER_GROUP = 8
TINY_CHANNELS = (16, 32, 64, 128)
LONGEST_REASON = 160


class BackboneOptions(Options):
    """Which backbone, and what it starts from.

    Attributes:
        name: `tiny` is a narrow ResNet for the CPU (ours); the others are torchvision's.
        width: multiplies the channels of `tiny` (16, 32, 64, 128); 1.0 for the others.
        normalisation: see `normalisation_layer`.
        weights: `none` (from scratch), `imagenet` (torchvision's, downloaded at the first use), or the path
            of a file that holds the trunk of torchvision's model of that name (see `pretrained.py`).
        frozen_stages: how many of the first stages do not learn: 0 none, 1 the first convolution (as OIM).
    """

    name: Literal["tiny", "resnet18", "resnet34", "resnet50", "mobilenet_v2"]
    width: float = Field(default=1.0, gt=0)
    normalisation: Normalisation = "batch"
    weights: str = "none"
    frozen_stages: int = Field(default=0, ge=0, le=1)


class NetworkOptions(Options):
    """What the options of every network hold; each network has more."""

    backbone: BackboneOptions


@dataclass(frozen=True)
class Backbone:
    """A backbone in two parts.

    Attributes:
        stem: images `[B, 3, H, W]` to features `[B, stem_channels, H/16, W/16]`.
        tail: features `[R, stem_channels, h, w]` to `[R, tail_channels, h/2, w/2]`.
    """

    stem: nn.Sequential
    tail: nn.Sequential
    stem_channels: int
    tail_channels: int


def build_backbone(options: BackboneOptions) -> Backbone:
    """Build a backbone. Raises `UserError` where the weights cannot be had."""
    if options.name == "tiny":
        backbone = _tiny(options)
    elif options.name == "mobilenet_v2":
        backbone = _mobilenet_v2(options)
    else:
        backbone = _resnet(options)
    if options.frozen_stages:
        for parameter in backbone.stem[0].parameters():
            parameter.requires_grad_(False)
    return backbone


def normalisation_layer(name: Normalisation) -> Callable[[int], nn.Module]:
    """Return the constructor of a layer that takes its number of channels.

    `batch` learns its statistics and scales in training: take it for a network from scratch. `frozen_batch`
    keeps those of pretrained weights, since one or two scenes are too few to estimate them from. `group`
    needs no batch statistics.
    """
    if name == "batch":
        return nn.BatchNorm2d
    if name == "frozen_batch":
        frozen: Callable[[int], nn.Module] = FrozenBatchNorm2d
        return frozen
    return lambda channels: nn.GroupNorm(math.gcd(channels, max(1, channels // CHANNELS_PER_GROUP)), channels)


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
    stem = nn.Sequential(first, network.layer1, network.layer2, network.layer3)
    channels = network.fc.in_features
    return Backbone(stem, nn.Sequential(network.layer4), channels // 2, channels)


def _mobilenet_v2(options: BackboneOptions) -> Backbone:
    """MobileNetV2, cut before the block that takes the stride from 16 to 32."""
    stride_32 = 14
    features = _from_torchvision(options, "classifier").features
    stem, tail = features[:stride_32], features[stride_32:]
    return Backbone(stem, tail, stem[-1].out_channels, tail[-1].out_channels)


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
    if options.weights == "imagenet" and options.normalisation == "group":
        raise UserError(
            "backbone: weights: imagenet are of batch normalisation; set normalisation: frozen_batch"
        )
    if options.weights == "imagenet":
        try:
            return constructor(weights="DEFAULT", norm_layer=norm)
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
