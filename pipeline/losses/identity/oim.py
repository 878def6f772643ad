"""Online instance matching: the table is made of the student's own embeddings (Xiao et al., CVPR 2017)."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses.identity.identity_loss import IdentityLoss, identity_cross_entropy
from pipeline.scenes.scene import UNLABELLED


class OnlineInstanceMatching(IdentityLoss):
    """Table and circular queue of the student's embeddings, updated after each step.

    Two known faults of public code are not repeated: all dimensions enter the queue, and the rows are
    brought back to unit length after each update. Rows that were never written are 0, as in OIM.

    Args:
        table: `[I, D]` what the rows start from: zeros (`oim`), or a teacher's unit rows (`lut_ema`, ours).
        queue_size: K, number of unlabelled embeddings kept.
        momentum: how much of a row is kept at an update, 0..1 (0.5 in OIM).
        scale: factor on the similarities (10 in OIM, 30 in later work).
    """

    table: Tensor
    queue: Tensor
    queue_position: Tensor

    def __init__(self, table: Tensor, queue_size: int, momentum: float, scale: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.scale = scale
        self.register_buffer("table", table.clone())
        self.register_buffer("queue", table.new_zeros(queue_size, table.shape[1]))
        self.register_buffer("queue_position", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """Classify against the table as it is now; see `identity_cross_entropy`."""
        return identity_cross_entropy(embeddings, person_ids, self.table, self.queue, self.scale)

    @torch.no_grad()
    def update(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """Move the rows of labelled people and queue the unlabelled, in the order given."""
        labelled = person_ids != UNLABELLED
        update_rows(self.table, embeddings[labelled], person_ids[labelled], self.momentum)
        self.enqueue(embeddings[~labelled])

    def enqueue(self, embeddings: Tensor) -> None:
        """Put embeddings `[N, D]` of unlabelled people over the oldest of the queue."""
        size = len(self.queue)
        if size == 0 or len(embeddings) == 0:
            return
        positions = (self.queue_position + torch.arange(len(embeddings), device=embeddings.device)) % size
        # More people than places: only the last of them stay, so no place is written twice.
        self.queue[positions[-size:]] = embeddings[-size:].to(self.queue.dtype)
        self.queue_position.copy_((self.queue_position + len(embeddings)) % size)


def update_rows(table: Tensor, embeddings: Tensor, person_ids: Tensor, momentum: float) -> None:
    """Move table rows towards embeddings one after another: `row = unit(momentum row + (1 - momentum) x)`.

    Args:
        table: `[I, D]`, changed in place.
        embeddings: `[L, D]` unit rows of labelled people.
        person_ids: `[L]` `0 .. I-1`.
        momentum: 0..1.

    One person can be there several times; each time is an update of its own, in order. Updates of different
    people do not touch, so each round takes the next embedding of everybody at once.
    """
    same_before = torch.tril(person_ids[:, None] == person_ids[None, :], diagonal=-1)
    occurrence = same_before.sum(dim=1)
    for turn in range(int(occurrence.max()) + 1 if len(occurrence) else 0):
        now = occurrence == turn
        ids = person_ids[now]
        moved = momentum * table[ids] + (1 - momentum) * embeddings[now].to(table.dtype)
        table[ids] = functional.normalize(moved, dim=1)
