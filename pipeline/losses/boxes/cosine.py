"""Pull each person straight to the teacher's row of its box (ours)."""

from torch import Tensor

from pipeline.losses.boxes.box_loss import BOX_TABLE, BoxLoss, with_row


def cosine_distance(embeddings: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean cosine distance of people to the teacher's features of their boxes.

    Args:
        embeddings: `[P, D]` unit rows.
        teacher: `[P, D]` unit rows.

    Returns:
        A scalar in 0..2, 0 where there is nobody.
    """
    similarities = (embeddings * teacher).sum(dim=1)
    return (1 - similarities).sum() / max(len(similarities), 1)


class CosineToBoxRow(BoxLoss):
    """`cosine_distance` to the rows of a table."""

    def forward(self, embeddings: Tensor, box_rows: Tensor) -> dict[str, Tensor]:
        """See `BoxLoss.forward`."""
        people, rows = with_row(embeddings, box_rows)
        return {BOX_TABLE: cosine_distance(people, self.rows_of(rows))}
