"""Embedding crops with the re-identification model."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.batches.loading import decode
from pipeline.batches.transforms import plain_crop_transform
from pipeline.devices import make_fabric
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import IntArray, Split
from pipeline.scenes.shards import ImageShards

Report = Callable[[int, int], None]


@torch.no_grad()
def embed_crops(
    model: ReidModel, crops: Split, images: ImageShards, batch_size: int, report: Report
) -> tuple[npt.NDArray[np.float32], IntArray]:
    """Embed every crop of a split.

    Each crop is embedded as it is and mirrored, and the mean of the two is taken (ours): which way a person
    walks says nothing about who it is.

    Returns:
        Embeddings `[N, D]`, of no particular length, and the person id `[N]` of each.

    Raises:
        UserError: there is no crop.
    """
    if not crops.scenes:
        raise UserError(f"there are no crops to embed: nobody in the {crops.name} split is labelled")
    device = make_fabric().device
    model = model.to(device)
    transform = plain_crop_transform(model.crop_height, model.crop_width)
    rows = []
    for start in range(0, len(crops.scenes), batch_size):
        indices = range(start, min(start + batch_size, len(crops.scenes)))
        batch = torch.stack([transform(decode(images[index])) for index in indices]).to(device)
        rows.append(embed_both_ways(model, batch).cpu().numpy())
        report(indices[-1] + 1, len(crops.scenes))
    return np.concatenate(rows), np.array([int(crop.person_ids[0]) for crop in crops.scenes])


@torch.no_grad()
def embed_both_ways(model: ReidModel, crops: Tensor) -> Tensor:
    """Embed crops `[N, 3, h, w]` (0..1, of the model's size) as they are and mirrored: the mean, `[N, D]`."""
    _, embeddings = model(crops)
    _, mirrored = model(crops.flip(-1))
    mean: Tensor = (embeddings + mirrored) / 2
    return mean
