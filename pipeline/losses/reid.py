"""The re-ID teacher's loss: identity classification after the neck, triplets before it."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.basics.options import Options

VECTOR_SPREAD = 0.05
"""Standard deviation of the class vectors at the start."""


class ReidLossOptions(Options):
    """Settings of the classification and the triplet loss.

    Attributes:
        scale: factor on the cosine logits.
        label_smoothing: 0..1.
        triplet_weight: factor on the triplet loss.
        triplet_margin: distance between features, > 0.
    """

    scale: float = Field(default=16.0, gt=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    triplet_weight: float = Field(default=1.0, ge=0)
    triplet_margin: float = Field(default=0.3, gt=0)


class ReidLoss(nn.Module):
    """Cross-entropy on cosine logits with learned class vectors, and the batch-hard triplet loss."""

    def __init__(self, options: ReidLossOptions, identities: int, embedding_dim: int) -> None:
        super().__init__()
        self.options = options
        self.class_vectors = nn.Parameter(torch.empty(identities, embedding_dim))
        # Short vectors turn fast under Adam, whose steps have the same length for all.
        nn.init.normal_(self.class_vectors, std=VECTOR_SPREAD)

    def forward(self, features: Tensor, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """Compute both losses.

        Args:
            features: `[N, D]` before the neck.
            embeddings: `[N, D]` unit rows after the neck.
            person_ids: `[N]` `0 .. I-1`.

        Returns:
            `{"classification": scalar, "triplet": scalar}`, the triplet loss already weighted.
        """
        # Similarities times the scale lose too much in half precision.
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = self.options.scale * embeddings @ functional.normalize(self.class_vectors, dim=1).T
        classification = functional.cross_entropy(
            logits, person_ids, label_smoothing=self.options.label_smoothing
        )
        triplet = batch_hard_triplet(features, person_ids, self.options.triplet_margin)["triplet"]
        return {"classification": classification, "triplet": self.options.triplet_weight * triplet}


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
