"""What all identity losses share: the classification against a table, and the shape of the modules."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.scenes.scene import UNLABELLED


class IdentityLoss(nn.Module):
    """An identity loss with whatever state it keeps, in buffers.

    A new target is a new file beside this one, and a line in `targets.py`.
    """

    def forward(self, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """Compute the loss.

        Args:
            embeddings: `[P, D]` unit rows.
            person_ids: `[P]` `0 .. I-1` or `UNLABELLED`.

        Returns:
            `{"identity": scalar}`; 0 with a gradient of 0 where nobody is labelled.
        """
        raise NotImplementedError

    def update(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """Take a step's embeddings into the state, after the optimiser's step. Frozen targets keep theirs."""


def mean_over_labelled(losses: Tensor) -> Tensor:
    """Return the mean of `[L]` losses, and 0 (with a gradient of 0) where there is none."""
    return losses.sum() / max(losses.numel(), 1)


def identity_cross_entropy(
    embeddings: Tensor, person_ids: Tensor, table: Tensor, queue: Tensor, scale: float
) -> dict[str, Tensor]:
    """Classify people against the rows of a table, with queued people as further negatives.

    OIM (Xiao et al., CVPR 2017), equation 1, in log form: cross-entropy over `scale` times the cosine
    similarity. Its "temperature 0.1" is a scale of 10.

    Args:
        embeddings: `[P, D]` unit rows.
        person_ids: `[P]` `0 .. I-1` or `UNLABELLED`; the unlabelled are left out.
        table: `[I, D]` one row an identity.
        queue: `[K, D]` embeddings of unlabelled people; K may be 0.
        scale: factor on the similarities, > 0.

    Returns:
        `{"identity": scalar}`, the mean over labelled people, 0 where there is none.
    """
    labelled = person_ids != UNLABELLED
    rows = torch.cat([table, queue]) if len(queue) else table
    logits = scale * embeddings[labelled] @ rows.T
    losses = functional.cross_entropy(logits, person_ids[labelled], reduction="none")
    return {"identity": mean_over_labelled(losses)}
