"""Pictures as tensors. They travel between processes as decoded, uint8; their device makes floats of them."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2


def decode(encoded: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Tensor:
    """Decode JPEG bytes `[n]` to an RGB picture, uint8 `[3, H, W]`."""
    with Image.open(BytesIO(encoded.tobytes())) as image:
        # `convert` would copy a picture that is RGB.
        picture: Tensor = v2.functional.pil_to_tensor(image if image.mode == "RGB" else image.convert("RGB"))
    return picture


def training_floats(pictures: Tensor) -> Tensor:
    """Return uint8 pictures as float32 in 0..1: times 1/255, as torchvision's transforms do."""
    floats: Tensor = v2.functional.to_dtype(pictures, torch.float32, scale=True)
    return floats


def scene_floats(scene: Tensor) -> Tensor:
    """Return a uint8 scene as float32 in 0..1, for inference: divided by 255.

    Last bits may differ from `training_floats`. Both stay as they are: results would change.
    """
    return scene.float() / 255
