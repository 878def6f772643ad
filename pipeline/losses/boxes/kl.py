"""Match the teacher's similarities over a sampled part of the rows (ours)."""

import numpy as np
import torch
from torch import Tensor

from pipeline.losses.boxes.box_loss import BOX_TABLE, BoxLoss, Gather, of_one_device, with_row
from pipeline.losses.identity.kl import divergences


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
    drawn = np.random.default_rng([seed, step]).choice(rows, size=count, replace=False)
    people = torch.unique(own)
    others = torch.from_numpy(drawn).to(own.device)
    others = others[~torch.isin(others, people)]
    return torch.cat([people, others[: max(count - len(people), 0)]]).sort().values


class DivergenceOverBoxRows(BoxLoss):
    """`divergences` over rows that are drawn anew for each batch; see `sampled_rows`.

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
        losses = divergences(people, self.rows_of(own), self.rows_of(sampled), self.scale)
        return {BOX_TABLE: losses.sum() / max(len(losses), 1)}

    def update(self) -> None:
        """See `BoxLoss.update`."""
        self.batches += 1
