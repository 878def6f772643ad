"""The re-ID teacher's loss: identity classification after the neck, triplets before it."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.basics.options import Options
from pipeline.losses.reid.triplet import batch_hard_triplet

ROW_SPREAD = 0.05
"""Standard deviation of what the class rows start from."""


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
    """Cross-entropy on cosine logits with learned class rows, and the batch-hard triplet loss."""

    def __init__(self, options: ReidLossOptions, identities: int, embedding_dim: int) -> None:
        super().__init__()
        self.options = options
        self.rows = nn.Parameter(torch.empty(identities, embedding_dim))
        # Short rows turn fast under Adam, whose steps do not know how long they are.
        nn.init.normal_(self.rows, std=ROW_SPREAD)

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
            logits = self.options.scale * embeddings @ functional.normalize(self.rows, dim=1).T
        classification = functional.cross_entropy(
            logits, person_ids, label_smoothing=self.options.label_smoothing
        )
        triplet = batch_hard_triplet(features, person_ids, self.options.triplet_margin)["triplet"]
        return {"classification": classification, "triplet": self.options.triplet_weight * triplet}
