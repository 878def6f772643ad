"""What is done to a picture before a network sees it, as plain values."""

from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of red, green and blue, 0..1. The pipeline has these, too, but cannot be imported without PyTorch."""
IMAGENET_STD = (0.229, 0.224, 0.225)
SIZE_DIVISIBLE = 16
"""Pixels: a resized picture is padded at its right and lower edge to a multiple of this."""


def preprocessing_of(short_side: int, long_side: int) -> dict[str, Any]:
    """Describe the preprocessing of a network.

    Args:
        short_side: pixels that the short side is resized to,
        long_side: unless this makes the long side longer than this.
    """
    return {
        "short_side": short_side,
        "long_side": long_side,
        "interpolation": "bilinear",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "size_divisible": SIZE_DIVISIBLE,
    }
