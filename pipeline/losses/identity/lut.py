"""Distillation through the table: the teacher's rows, frozen, are the student's classifier."""

import torch
from torch import Tensor

from pipeline.losses.identity.oim import OnlineInstanceMatching
from pipeline.scenes.scene import UNLABELLED

ROWS_STAY = 1.0


class FrozenTable(OnlineInstanceMatching):
    """OIM's loss over a pre-computed table of ID features that stays as it is (Munjal et al., BMVC 2019).

    The paper's abstract names the table; that its rows are the classifier of an OIM loss, and frozen, is our
    reading. The queue is off by default (ours): embeddings of a student that has yet to reach the
    teacher's space are no negatives beside rows of that space.

    Args:
        table: `[I, D]` the teacher's unit rows.
        queue_size: K, number of unlabelled embeddings kept as negatives; 0 for none.
        scale: factor on the similarities.
    """

    def __init__(self, table: Tensor, queue_size: int, scale: float) -> None:
        super().__init__(table, queue_size, ROWS_STAY, scale)

    @torch.no_grad()
    def update(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """Queue the unlabelled; the rows stay."""
        self.enqueue(embeddings[person_ids == UNLABELLED])
