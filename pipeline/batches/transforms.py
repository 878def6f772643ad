"""The transforms of pictures before a network sees them (torchvision's v2)."""

from typing import Any

import torch
from pydantic import Field
from torchvision.transforms import v2

from pipeline.basics.options import Options

ERASED = 0.5
"""Value of an erased pixel: grey, since torchvision's random values lie outside 0..1."""


class AugmentationOptions(Options):
    """Random changes while training; 0 switches one off.

    Attributes:
        flip: probability of a horizontal flip, 0..1.
        brightness: largest relative change of the brightness, 0..1.
        contrast: largest relative change of the contrast, 0..1.
        saturation: largest relative change of the saturation, 0..1.
        hue: largest shift of the hue, 0..0.5.
        shift: largest shift of a crop as a fraction of its size, 0..0.5 (crops only).
        erasing: probability of a random erased rectangle, 0..1 (crops only).
    """

    flip: float = Field(default=0.5, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)
    shift: float = Field(default=0.0, ge=0, le=0.5)
    erasing: float = Field(default=0.0, ge=0, le=1)


def scene_transform(options: AugmentationOptions) -> v2.Transform:
    """Return the transform of a training scene and its boxes: uint8 `[3, H, W]` to float in 0..1."""
    return v2.Compose([*_colour(options), v2.RandomHorizontalFlip(options.flip), _to_float()])


def crop_transform(options: AugmentationOptions, height: int, width: int) -> v2.Transform:
    """Return the transform of a training crop: uint8 `[3, h, w]` to float `[3, height, width]` in 0..1."""
    steps: list[Any] = [_resized(height, width), *_colour(options), v2.RandomHorizontalFlip(options.flip)]
    if options.shift:
        padding = [round(options.shift * width), round(options.shift * height)]
        steps += [v2.Pad(padding, padding_mode="edge"), v2.RandomCrop((height, width))]
    steps.append(_to_float())
    if options.erasing:
        steps.append(v2.RandomErasing(options.erasing, value=ERASED))
    return v2.Compose(steps)


def plain_crop_transform(height: int, width: int) -> v2.Transform:
    """Return the transform of a crop at test time, without random changes; see `crop_transform`."""
    return v2.Compose([_resized(height, width), _to_float()])


def _colour(options: AugmentationOptions) -> list[v2.Transform]:
    changes = (options.brightness, options.contrast, options.saturation, options.hue)
    return [v2.ColorJitter(*changes)] if any(changes) else []


def _resized(height: int, width: int) -> v2.Transform:
    return v2.Resize((height, width), antialias=True)


def _to_float() -> v2.Transform:
    return v2.ToDtype(torch.float32, scale=True)
