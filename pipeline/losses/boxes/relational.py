"""Match how alike the people of a step are to one another, whatever the space is (ours).

It is what relational knowledge distillation does with distances and angles (Park et al., CVPR 2019), with
cosines.
"""

from torch import Tensor

from pipeline.losses.boxes.box_loss import BOX_TABLE, BoxLoss, Gather, of_one_device, with_row


def similarity_difference(embeddings: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of two similarity matrices, without their diagonals.

    Args:
        embeddings: `[P, D]` unit rows.
        teacher: `[P, D']` unit rows of the same people.

    Returns:
        A scalar in 0..4, 0 where there are fewer than two people.
    """
    # The diagonal is 1 in both but for rounding, which would have a gradient.
    differences = (embeddings @ embeddings.T - teacher @ teacher.T).fill_diagonal_(0)
    pairs = len(embeddings) * (len(embeddings) - 1)
    return differences.square().sum() / max(pairs, 1)


class RelationsOfBoxRows(BoxLoss):
    """`similarity_difference` to the rows of a table.

    Args:
        rows: see `BoxLoss`.
        gather: see `Gather`; the people of all devices are compared.
    """

    of_joint_batch = True

    def __init__(self, rows: Tensor, gather: Gather = of_one_device) -> None:
        super().__init__(rows)
        self.gather = gather

    def forward(self, embeddings: Tensor, box_rows: Tensor) -> dict[str, Tensor]:
        """See `BoxLoss.forward`."""
        people, rows = with_row(embeddings, box_rows)
        return {BOX_TABLE: similarity_difference(self.gather(people), self.gather(self.rows_of(rows)))}
