"""The floor for a teacher: clothes' colours alone, counted in stripes from head to feet (ours)."""

import torch
from torch import Tensor

from pipeline.inference.plain_pictures import Size
from pipeline.inference.teachers.leak import TrainedOn

STRIPES = 6
BINS = (8, 4, 4)
"""Of hue, saturation and value."""


class ColourHistogram:
    """A `CropModel` that has learned nothing."""

    name = "colour histogram"
    size: Size = (96, 48)
    advice = "is the picture sound?"
    trained_on = TrainedOn()

    def embed(self, crops: Tensor) -> Tensor:
        """See `colour_histogram`."""
        return colour_histogram(crops)


def colour_histogram(crops: Tensor) -> Tensor:
    """Return the roots of the joint HSV histograms of six horizontal stripes, `[N, 6 * 8 * 4 * 4]`.

    With the root, the inner product of two stripes is their Bhattacharyya coefficient.

    Args:
        crops: `[N, 3, h, w]` RGB in 0..1.
    """
    hsv = _hsv(crops)
    number = torch.zeros_like(hsv[:, 0], dtype=torch.long)
    for channel, bins in zip(hsv.unbind(1), BINS, strict=True):
        number = number * bins + (channel * bins).long().clamp(0, bins - 1)
    length = BINS[0] * BINS[1] * BINS[2]
    stripes = []
    for stripe in number.tensor_split(STRIPES, dim=1):
        pixels = stripe.flatten(1)
        counts = torch.zeros(len(crops), length, device=crops.device)
        counts.scatter_add_(1, pixels, torch.ones_like(pixels, dtype=counts.dtype))
        stripes.append((counts / pixels.shape[1]).sqrt())
    return torch.cat(stripes, dim=1)


def _hsv(crops: Tensor) -> Tensor:
    """Return hue, saturation and value `[N, 3, h, w]`, each in 0..1, of RGB; the hue of grey is 0."""
    red, green, blue = crops.unbind(1)
    value, least = crops.amax(1), crops.amin(1)
    spread = value - least
    divisor = torch.where(spread > 0, spread, 1)
    hue = torch.where(
        value == red,
        (green - blue) / divisor % 6,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    saturation = torch.where(value > 0, spread / torch.where(value > 0, value, 1), 0)
    return torch.stack([hue / 6, saturation, value], dim=1)
