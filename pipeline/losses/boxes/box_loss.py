"""What all losses against a table by box share: the teacher's rows, and the shape of the modules."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.scenes.box_rows import NO_ROW

BOX_TABLE = "box_table"
"""The name of the loss in logs, and of its weight."""


Gather = Callable[[Tensor], Tensor]
"""Returns rows `[n, ...]` of all devices that train together, in their order; gradients go through."""


def of_one_device(rows: Tensor) -> Tensor:
    """Return the rows of all devices where there is one."""
    return rows


class BoxLoss(nn.Module):
    """A loss against the teacher's rows, one a box. The rows are not learned and in no checkpoint.

    A new target is a file beside this one, and its name and branch in `targets.py`. There is none that
    classifies people by box: a person's other boxes would be negatives.

    Args:
        rows: `[N, D]` float16 unit rows, which are not copied.
    """

    of_joint_batch: ClassVar[bool] = False
    """Whether the loss is a mean over the people of all devices already."""
    rows: Tensor

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, embeddings: Tensor, box_rows: Tensor) -> dict[str, Tensor]:
        """Compute the loss.

        Args:
            embeddings: `[P, D]` unit rows.
            box_rows: `[P]` the row of each person's box, `0 .. N-1` or `NO_ROW`, which is left out.

        Returns:
            `{"box_table": scalar}`; 0 with a gradient of 0 where nobody has a row.
        """
        raise NotImplementedError

    def update(self) -> None:
        """Count a batch, after its backward pass; what draws nothing has nothing to count."""

    def rows_of(self, box_rows: Tensor) -> Tensor:
        """Return the rows `[n, D]` of boxes `[n]`, in float32; each must have one."""
        return self.rows.index_select(0, box_rows).float()


def with_row(embeddings: Tensor, box_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the embeddings and row numbers of those people whose box has a row."""
    known = torch.where(box_rows != NO_ROW)[0]
    return embeddings[known], box_rows[known]
