"""Pictures for inference, as they are, in batches and in order; they are loaded as those of a training."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.batches.data_processes import Batch, loaded
from pipeline.batches.pictures import decode, scene_floats, training_floats
from pipeline.batches.transforms import plain_crop_transform
from pipeline.devices import data_workers
from pipeline.scenes.boxes import pixels_of
from pipeline.scenes.scene import FloatArray
from pipeline.scenes.shards import EncodedPictures

Batches = Sequence[Sequence[int]]
"""Which pictures are in which batch."""
Size = tuple[int, int]
"""Height and width, in pixels."""
Picture = TypeVar("Picture")


def plain_scenes(images: EncodedPictures, batches: Batches, device: torch.device) -> Iterator[list[Tensor]]:
    """Yield scenes, each float `[3, H, W]` in 0..1, batch by batch, on a device.

    Args:
        images: the scenes' pictures.
        batches: which of them are in which batch.
        device: the device.

    Raises:
        UserError: a shard is damaged.
    """
    for scenes in _loaded(_Scenes(images), batches, list, device):
        yield [scene_floats(scene.to(device, non_blocking=True)) for scene in scenes]


def plain_crops(
    images: EncodedPictures, batches: Batches, height: int, width: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield crops of one size, float `[N, 3, height, width]` in 0..1; see `plain_scenes`."""
    for crops in _loaded(_Crops(images, height, width), batches, torch.stack, device):
        yield training_floats(crops.to(device, non_blocking=True))


def plain_box_crops(
    images: EncodedPictures,
    boxes: Sequence[tuple[int, FloatArray]],
    batches: Batches,
    sizes: Sequence[Size],
    device: torch.device,
) -> Iterator[list[Tensor]]:
    """Yield the crops of boxes in scenes, uint8, which take a quarter of the memory of floats.

    Args:
        images: the scenes' pictures.
        boxes: scenes, and the boxes `[K, 4]` of each in pixels, K > 0.
        batches: which entries of `boxes` are in which batch.
        sizes: that each crop is brought to.
        device: where the crops go.

    Yields:
        Of each batch, for each size, all crops `[N, 3, height, width]` in the order of scenes and boxes.

    Raises:
        UserError: a shard is damaged.
    """
    for crops in _loaded(_BoxCrops(images, boxes, sizes), batches, _by_size, device):
        yield [of_size.to(device, non_blocking=True) for of_size in crops]


def _by_size(scenes: list[list[Tensor]]) -> list[Tensor]:
    """Join the crops of several scenes, size by size."""
    return [torch.cat(of_size) for of_size in zip(*scenes, strict=True)]


def _loaded(
    pictures: Dataset[Picture],
    batches: Batches,
    collate: Callable[[list[Picture]], Batch],
    device: torch.device,
) -> Iterator[Batch]:
    """Load in processes, even where the network needs all cores: it waits less for one beside it."""
    workers = min(data_workers(least=1), len(batches))
    return loaded(pictures, [*map(list, batches)], collate, workers, device)


class _Scenes(Dataset[Tensor]):
    """Scenes, uint8 `[3, H, W]`."""

    def __init__(self, images: EncodedPictures) -> None:
        self._images = images

    def __getitem__(self, index: int) -> Tensor:
        return decode(self._images[index])


class _Crops(Dataset[Tensor]):
    """Crops of one size, uint8 `[3, height, width]`."""

    def __init__(self, images: EncodedPictures, height: int, width: int) -> None:
        self._images = images
        self._transform = plain_crop_transform(height, width)

    def __getitem__(self, index: int) -> Tensor:
        resized: Tensor = self._transform(decode(self._images[index]))
        return resized


class _BoxCrops(Dataset[list[Tensor]]):
    """The crops of a scene, for each size uint8 `[K, 3, height, width]`."""

    def __init__(
        self, images: EncodedPictures, boxes: Sequence[tuple[int, FloatArray]], sizes: Sequence[Size]
    ) -> None:
        self._images, self._boxes = images, boxes
        self._transforms = [plain_crop_transform(*size) for size in sizes]

    def __getitem__(self, index: int) -> list[Tensor]:
        scene, boxes = self._boxes[index]
        picture = decode(self._images[scene])
        crops = []
        for box in boxes:
            left, top, right, bottom = pixels_of(box, picture.shape[-1], picture.shape[-2])
            crops.append(picture[:, top:bottom, left:right])
        return [torch.stack([resize(crop) for crop in crops]) for resize in self._transforms]
