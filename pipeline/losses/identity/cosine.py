"""An alternative to the table as a classifier: pull each person straight to the teacher's row (ours)."""

from torch import Tensor

from pipeline.losses.identity.identity_loss import IdentityLoss, mean_over_labelled
from pipeline.scenes.scene import UNLABELLED


def cosine_to_row(embeddings: Tensor, person_ids: Tensor, table: Tensor) -> dict[str, Tensor]:
    """Return the mean cosine distance of labelled people to their row.

    Args:
        embeddings: `[P, D]` unit rows.
        person_ids: `[P]` `0 .. I-1` or `UNLABELLED`; the unlabelled are left out.
        table: `[I, D]` unit rows.

    Returns:
        `{"identity": scalar}` in 0..2, 0 where nobody is labelled.
    """
    labelled = person_ids != UNLABELLED
    similarity = (embeddings[labelled] * table[person_ids[labelled]]).sum(dim=1)
    return {"identity": mean_over_labelled(1 - similarity)}


class CosineToRow(IdentityLoss):
    """`cosine_to_row` with the teacher's table `[I, D]`."""

    table: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table.clone())

    def forward(self, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """See `cosine_to_row`."""
        return cosine_to_row(embeddings, person_ids, self.table)
