"""Match the teacher's similarities over a sampled part of the rows (ours)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.losses.boxes.box_loss import BOX_TABLE, BoxLoss, Gather, of_one_device, with_row


def sampled_rows(own: Tensor, rows: int, count: int, seed: int, step: int) -> Tensor:
    """Draw the rows that a step compares people with: their own, each once, and others at random.

    Args:
        own: the people's own rows, `0 .. rows-1`, in any order, some of them several times.
        rows: number of rows in the table.
        count: how many to draw; all where there are no more, and at least the people's own.
        seed: of the draws.
        step: whose draw it is; each step has its own.

    Returns:
        `[max(count, own rows)]` int64, ascending, each row once.
    """
    if rows <= count:
        return torch.arange(rows, device=own.device)
    drawn = torch.from_numpy(np.random.default_rng([seed, step]).choice(rows, size=count, replace=False))
    chosen = torch.zeros(rows, dtype=torch.bool, device=own.device)
    chosen[own] = True
    others = drawn.to(own.device)
    others = others[~chosen[others]]
    chosen[others[: max(count - int(chosen.count_nonzero()), 0)]] = True
    return torch.where(chosen)[0]


def similarity_divergence(
    embeddings: Tensor, teacher: Tensor, box_of: Tensor, rows: Tensor, scale: float
) -> Tensor:
    """Return the Kullback-Leibler divergence from the teacher's to the student's similarities with rows.

    Each of both is a softmax of scaled similarities. A box's people share the teacher's, which is computed
    once.

    Args:
        embeddings: `[P, D]` unit rows, the student's.
        teacher: `[B, D]` unit rows, the teacher's of the people's boxes.
        box_of: `[P]` which of the boxes each person is, `0 .. B-1`.
        rows: `[N, D]` unit rows that both are compared with.
        scale: factor on the similarities of both.

    Returns:
        A scalar, the mean over people, >= 0 but for rounding, 0 where there is nobody.
    """
    log_wanted = functional.log_softmax(scale * teacher @ rows.T, dim=1)
    wanted = log_wanted.exp()
    entropies = -(wanted * log_wanted).sum(dim=1)
    found = functional.log_softmax(scale * embeddings @ rows.T, dim=1)
    cross_entropies = -(wanted.index_select(0, box_of) * found).sum(dim=1)
    divergences = cross_entropies - entropies.index_select(0, box_of)
    return divergences.sum() / max(len(divergences), 1)


class DivergenceOverBoxRows(BoxLoss):
    """`similarity_divergence` over rows that are drawn anew for each batch; see `sampled_rows`.

    At a scale of 16, a row sees 95 % of itself; at 8, a person's other boxes share the mass.

    Args:
        rows: see `BoxLoss`.
        scale: factor on the similarities of both.
        count: how many rows are drawn.
        seed: of the draws, the same on all devices.
        gather: see `Gather`; the draw has the rows of all devices' people.
    """

    batches: Tensor

    def __init__(
        self, rows: Tensor, scale: float, count: int, seed: int, gather: Gather = of_one_device
    ) -> None:
        super().__init__(rows)
        self.gather = gather
        self.scale, self.count, self.seed = scale, count, seed
        # How many batches there were; a checkpoint keeps it, so that a resumed training goes on drawing.
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, box_rows: Tensor) -> dict[str, Tensor]:
        """See `BoxLoss.forward`."""
        people, own = with_row(embeddings, box_rows)
        sampled = sampled_rows(self.gather(own), len(self.rows), self.count, self.seed, int(self.batches))
        boxes, box_of = torch.unique(own, return_inverse=True)
        teacher, rows = self.rows_of(boxes), self.rows_of(sampled)
        return {BOX_TABLE: similarity_divergence(people, teacher, box_of, rows, self.scale)}

    def update(self) -> None:
        """See `BoxLoss.update`."""
        self.batches += 1
