"""The random changes of pictures, and the size of crops (torchvision's v2); a detector resizes scenes itself.

Pictures are uint8. They become floats on the network's device.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
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


class ChangedCrop(NamedTuple):
    """A crop after random changes: uint8 `[3, h, w]`, and bool `[1, h, w]` where it is erased, or None."""

    picture: Tensor
    erased: Tensor | None


CropTransform = Callable[[Tensor], ChangedCrop]


def scene_transform(options: AugmentationOptions) -> v2.Transform:
    """Return the transform of a training scene, uint8 `[3, H, W]`, and its boxes."""
    return v2.Compose([*_colour(options), v2.RandomHorizontalFlip(options.flip)])


def crop_transform(options: AugmentationOptions, height: int, width: int) -> CropTransform:
    """Return the transform of a training crop, uint8 `[3, h, w]`, to `height` and `width`."""
    return _CropTransform(options, height, width)


class _CropTransform:
    """The transform of training crops; see `crop_transform`."""

    def __init__(self, options: AugmentationOptions, height: int, width: int) -> None:
        steps: list[Any] = [
            plain_crop_transform(height, width),
            *_colour(options),
            v2.RandomHorizontalFlip(options.flip),
        ]
        if options.shift:
            padding = [round(options.shift * width), round(options.shift * height)]
            steps += [v2.Pad(padding, padding_mode="edge"), v2.RandomCrop((height, width))]
        self._change = v2.Compose(steps)
        # Grey lies between two values of uint8. So only the place is drawn here; see `erase`.
        self._erasing = v2.RandomErasing(options.erasing, value=1.0) if options.erasing else None
        self._nowhere = torch.zeros(1, height, width)

    def __call__(self, crop: Tensor) -> ChangedCrop:
        """Change a crop at random."""
        changed = self._change(crop)
        if self._erasing is None:
            return ChangedCrop(changed, None)
        return ChangedCrop(changed, self._erasing(self._nowhere) > 0)


def erase(crops: Tensor, erased: Tensor) -> Tensor:
    """Make float crops `[N, 3, h, w]` grey, in place, where `erased`, bool `[N, 1, h, w]`, says so."""
    return crops.masked_fill_(erased, ERASED)


def plain_crop_transform(height: int, width: int) -> v2.Transform:
    """Return the transform of a crop at test time: its size changes, its type stays."""
    return v2.Resize((height, width), antialias=True)


def _colour(options: AugmentationOptions) -> list[v2.Transform]:
    changes = (options.brightness, options.contrast, options.saturation, options.hue)
    return [v2.ColorJitter(*changes)] if any(changes) else []
