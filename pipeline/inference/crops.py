"""Embedding crops with the re-identification model."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.plain_pictures import plain_crops
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import IntArray, Split
from pipeline.scenes.shards import ImageShards

Embeddings = npt.NDArray[np.float32]


def embed_crops(
    model: ReidModel,
    crops: Split,
    images: ImageShards,
    batch_size: int,
    device: torch.device,
    progress: Progress,
) -> tuple[Embeddings, IntArray]:
    """Embed every crop of a split.

    The embedding is the mean over a crop and its mirror image (our choice): the direction in which a person
    walks says nothing about the identity.

    Args:
        model: the re-ID model, in evaluation mode.
        crops: the split; each scene is one crop.
        images: the crops' pictures.
        batch_size: crops at a time.
        device: where the model runs.
        progress: progress.

    Returns:
        Embeddings `[N, D]`, not normalised, and the person id `[N]` of each.

    Raises:
        UserError: there is no crop.
    """
    found = crop_embeddings(model, crops, images, batch_size, device, progress)
    return np.concatenate([embeddings for _, embeddings in found]), people_of(crops)


@torch.no_grad()
def crop_embeddings(
    model: ReidModel,
    crops: Split,
    images: ImageShards,
    batch_size: int,
    device: torch.device,
    progress: Progress,
    share: Share = ALL,
) -> Iterator[tuple[int, Embeddings]]:
    """Embed a device's share of the crops: of each batch its first crop and `[n, D]`; see `embed_crops`."""
    if not crops.scenes:
        raise UserError(f"there are no crops to embed: nobody in the {crops.name} split is labelled")
    model = model.to(device)
    batches = own_batches(len(crops.scenes), batch_size, share)
    size = model.crop_height, model.crop_width
    for batch, pictures in zip(batches, plain_crops(images, batches, *size, device), strict=True):
        yield batch[0], embed_both_ways(model, pictures).cpu().numpy()
        progress(done_by_all(batch, len(crops.scenes), share), len(crops.scenes))


def people_of(crops: Split) -> IntArray:
    """Return the person id `[N]` of each crop."""
    return np.array([int(crop.person_ids[0]) for crop in crops.scenes])


@torch.no_grad()
def embed_both_ways(model: ReidModel, crops: Tensor) -> Tensor:
    """Return the means `[N, D]` of the embeddings of crops and their mirror images.

    Args:
        model: the re-ID model, in evaluation mode.
        crops: `[N, 3, h, w]` in 0..1, of the model's size.
    """
    _, embeddings = model(crops)
    _, mirrored = model(crops.flip(-1))
    mean: Tensor = (embeddings + mirrored) / 2
    return mean
