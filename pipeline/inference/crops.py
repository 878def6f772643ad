"""Embedding crops with the re-identification model."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import decode
from pipeline.batches.transforms import plain_crop_transform
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import IntArray, Split
from pipeline.scenes.shards import ImageShards


@torch.no_grad()
def embed_crops(
    model: ReidModel,
    crops: Split,
    images: ImageShards,
    batch_size: int,
    device: torch.device,
    progress: Progress,
) -> tuple[npt.NDArray[np.float32], IntArray]:
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
    if not crops.scenes:
        raise UserError(f"there are no crops to embed: nobody in the {crops.name} split is labelled")
    model = model.to(device)
    transform = plain_crop_transform(model.crop_height, model.crop_width)
    embeddings = []
    for start in range(0, len(crops.scenes), batch_size):
        indices = range(start, min(start + batch_size, len(crops.scenes)))
        batch = torch.stack([transform(decode(images[index])) for index in indices]).to(device)
        embeddings.append(embed_both_ways(model, batch).cpu().numpy())
        progress(indices[-1] + 1, len(crops.scenes))
    return np.concatenate(embeddings), np.array([int(crop.person_ids[0]) for crop in crops.scenes])


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
