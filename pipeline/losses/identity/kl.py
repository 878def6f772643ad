"""An alternative to hard identities: match the teacher's similarities over the whole table (ours)."""

from torch import Tensor
from torch.nn import functional

from pipeline.losses.identity.identity_loss import IdentityLoss, mean_over_labelled
from pipeline.scenes.scene import UNLABELLED


def similarity_divergence(
    embeddings: Tensor, person_ids: Tensor, table: Tensor, scale: float
) -> dict[str, Tensor]:
    """Return the Kullback-Leibler divergence from the teacher's to the student's similarities.

    The teacher's distribution for a person is the softmax of its row's scaled similarities with all rows,
    so a person's look-alikes are part of the target. The student's distribution is that of its embedding.

    Args:
        embeddings: `[P, D]` unit rows.
        person_ids: `[P]` `0 .. I-1` or `UNLABELLED`; the unlabelled are left out.
        table: `[I, D]` unit rows.
        scale: factor on the similarities of both.

    Returns:
        `{"identity": scalar}`, the mean over labelled people, >= 0, 0 where there is none.
    """
    labelled = person_ids != UNLABELLED
    teacher = functional.log_softmax(scale * table[person_ids[labelled]] @ table.T, dim=1)
    student = functional.log_softmax(scale * embeddings[labelled] @ table.T, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)
    return {"identity": mean_over_labelled(divergence)}


class SimilarityDivergence(IdentityLoss):
    """`similarity_divergence` with the teacher's table `[I, D]`."""

    table: Tensor

    def __init__(self, table: Tensor, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("table", table.clone())

    def forward(self, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """See `similarity_divergence`."""
        return similarity_divergence(embeddings, person_ids, self.table, self.scale)
