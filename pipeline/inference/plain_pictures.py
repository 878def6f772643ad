"""Pictures for inference, as they are, in batches and in order; they are loaded as those of a training."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.batches.data_processes import Batch, loaded
from pipeline.batches.pictures import decode, scene_floats, training_floats
from pipeline.batches.transforms import plain_crop_transform
from pipeline.devices import data_workers
from pipeline.scenes.shards import ImageShards

Batches = Sequence[Sequence[int]]
"""Which pictures are in which batch."""


def plain_scenes(images: ImageShards, batches: Batches, device: torch.device) -> Iterator[list[Tensor]]:
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
    images: ImageShards, batches: Batches, height: int, width: int, device: torch.device
) -> Iterator[Tensor]:
    """Yield crops of one size, float `[N, 3, height, width]` in 0..1; see `plain_scenes`."""
    for crops in _loaded(_Crops(images, height, width), batches, torch.stack, device):
        yield training_floats(crops.to(device, non_blocking=True))


def _loaded(
    pictures: Dataset[Tensor],
    batches: Batches,
    collate: Callable[[list[Tensor]], Batch],
    device: torch.device,
) -> Iterator[Batch]:
    """Load in processes, even where the network needs all cores: it waits less for one beside it."""
    workers = min(data_workers(least=1), len(batches))
    return loaded(pictures, [*map(list, batches)], collate, workers, device)


class _Scenes(Dataset[Tensor]):
    """Scenes, uint8 `[3, H, W]`."""

    def __init__(self, images: ImageShards) -> None:
        self._images = images

    def __getitem__(self, index: int) -> Tensor:
        return decode(self._images[index])


class _Crops(Dataset[Tensor]):
    """Crops of one size, uint8 `[3, height, width]`."""

    def __init__(self, images: ImageShards, height: int, width: int) -> None:
        self._images = images
        self._transform = plain_crop_transform(height, width)

    def __getitem__(self, index: int) -> Tensor:
        resized: Tensor = self._transform(decode(self._images[index]))
        return resized
