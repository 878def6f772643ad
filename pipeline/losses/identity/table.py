"""Identity losses that classify people against a table: OIM, which learns it along, and the frozen one.

The frozen table is how the re-ID teacher is distilled: its rows are the student's classifier.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses.identity.identity_loss import IdentityLoss, mean_over_labelled
from pipeline.scenes.scene import UNLABELLED


class TableLoss(IdentityLoss):
    """Classification against the rows of a table, with a circular queue of unlabelled people as negatives.

    Args:
        table: `[I, D]` what the rows start from.
        queue_size: K, number of unlabelled embeddings kept; 0 for none.
        scale: factor on the similarities (10 in OIM, 30 in later work).
    """

    table: Tensor
    queue: Tensor
    queue_position: Tensor

    def __init__(self, table: Tensor, queue_size: int, scale: float) -> None:
        super().__init__()
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
        self.move_rows(embeddings[labelled], person_ids[labelled])
        self.enqueue(embeddings[~labelled])

    def move_rows(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """Take embeddings `[L, D]` of labelled people `[L]` into their rows."""
        raise NotImplementedError

    def enqueue(self, embeddings: Tensor) -> None:
        """Put embeddings `[N, D]` of unlabelled people over the oldest of the queue."""
        size = len(self.queue)
        if size == 0 or len(embeddings) == 0:
            return
        positions = (self.queue_position + torch.arange(len(embeddings), device=embeddings.device)) % size
        # More people than places: only the last of them stay, so no place is written twice.
        self.queue[positions[-size:]] = embeddings[-size:].to(self.queue.dtype)
        self.queue_position.copy_((self.queue_position + len(embeddings)) % size)


class OnlineInstanceMatching(TableLoss):
    """The table is made of the student's own embeddings, step by step (Xiao et al., CVPR 2017).

    Two known faults of public code are not repeated: all dimensions enter the queue, and the rows are
    brought back to unit length after each update. Rows that were never written are 0, as in OIM.

    Args:
        table: `[I, D]` what the rows start from: zeros (`oim`), or a teacher's unit rows (`lut_ema`, ours).
        queue_size: K, number of unlabelled embeddings kept.
        momentum: how much of a row is kept at an update, 0..1 (0.5 in OIM).
        scale: factor on the similarities.
    """

    def __init__(self, table: Tensor, queue_size: int, momentum: float, scale: float) -> None:
        super().__init__(table, queue_size, scale)
        self.momentum = momentum

    def move_rows(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """See `update_rows`."""
        update_rows(self.table, embeddings, person_ids, self.momentum)


class FrozenTable(TableLoss):
    """A pre-computed table of ID features that stays as it is (Munjal et al., BMVC 2019).

    The paper's abstract names the table; that its rows are the classifier of an OIM loss, and frozen, is our
    reading. The queue is off by default (ours): embeddings of a student that has yet to reach the teacher's
    space are no negatives beside rows of that space.
    """

    def move_rows(self, embeddings: Tensor, person_ids: Tensor) -> None:
        """Leave the teacher's rows as they are."""


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
    # How many people each round has is the one thing that the processor must wait for.
    rounds: list[int] = torch.bincount(occurrence).tolist()
    for now in torch.split(torch.argsort(occurrence, stable=True), rounds):
        ids = person_ids[now]
        moved = momentum * table[ids] + (1 - momentum) * embeddings[now].to(table.dtype)
        table[ids] = functional.normalize(moved, dim=1)
