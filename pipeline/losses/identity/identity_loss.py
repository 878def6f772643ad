"""What all identity losses share: the shape of the modules, and the mean over labelled people."""

from torch import Tensor, nn


class IdentityLoss(nn.Module):
    """An identity loss with whatever state it keeps, in buffers.

    A new target is a file beside this one, and its name and branch in `targets.py`. Where it needs no table,
    `needs_table` there says so, and its branch comes before the check of the table.
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
        """Update the state with a batch's embeddings, after its backward pass.

        A frozen table does not change; its queue does.
        """


class NoIdentityLoss(IdentityLoss):
    """The loss of a student that learns from no identities: none, and no state."""

    def forward(self, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return no loss at all."""
        return {}


def mean_over_labelled(losses: Tensor) -> Tensor:
    """Return the mean of `[L]` losses, and 0 (with a gradient of 0) where there is none."""
    return losses.sum() / max(losses.numel(), 1)
