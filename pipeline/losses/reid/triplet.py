"""Batch-hard triplet loss (Hermans et al., 2017), for the re-ID teacher."""

import torch
from torch import Tensor
from torch.nn import functional


def batch_hard_triplet(features: Tensor, person_ids: Tensor, margin: float) -> dict[str, Tensor]:
    """Compare each anchor's farthest positive with its nearest negative.

    Args:
        features: `[N, D]`, compared by Euclidean distance.
        person_ids: `[N]`.
        margin: by how much the negative should be farther, > 0.

    Returns:
        `{"triplet": scalar}`: the mean over anchors that have a positive and a negative, 0 where none has.
    """
    if len(features) == 0:
        return {"triplet": features.sum()}
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    same = person_ids[:, None] == person_ids[None, :]
    other_of_same = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    usable = other_of_same.any(dim=1) & (~same).any(dim=1)
    farthest_positive = distances.masked_fill(~other_of_same, 0).amax(dim=1)
    nearest_negative = distances.masked_fill(same, torch.inf).amin(dim=1)
    losses = functional.relu(farthest_positive - nearest_negative + margin)[usable]
    return {"triplet": losses.sum() / max(losses.numel(), 1)}
