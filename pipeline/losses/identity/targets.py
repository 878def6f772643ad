"""The identity targets by name: what the student's embeddings are taught against."""

from collections.abc import Mapping
from typing import Literal, assert_never

import torch
from pydantic import Field, model_validator
from torch import Tensor

from pipeline.basics.options import Options, refuse_without_effect
from pipeline.losses.identity.cosine import CosineToRow
from pipeline.losses.identity.identity_loss import IdentityLoss, NoIdentityLoss
from pipeline.losses.identity.kl import SimilarityDivergence
from pipeline.losses.identity.table import FrozenTable, OnlineInstanceMatching

USED_BY: Mapping[str, tuple[str, ...]] = {
    "scale": ("oim", "lut", "lut_ema", "kl"),
    "momentum": ("oim", "lut_ema"),
    "queue_size": ("oim", "lut", "lut_ema"),
}
"""The targets that look at a setting; to state it with another is an error."""


class IdentityOptions(Options):
    """Which identity target, how much it weighs, and its settings.

    Attributes:
        target: `oim` (online table, the baseline), `lut` (the teacher's table, frozen), `lut_ema` (starts as
            the teacher's, then moves as OIM's), `cosine` (pull to the row), `kl` (match the teacher's
            similarities over the table).
        weight: factor on the identity loss beside the four detection losses.
        scale: factor on cosine similarities; for which targets, `USED_BY` says.
        momentum: share of a row that an update keeps.
        queue_size: unlabelled embeddings kept as negatives.
    """

    target: Literal["oim", "lut", "lut_ema", "cosine", "kl"]
    weight: float = Field(ge=0)
    scale: float = Field(default=30.0, gt=0)
    momentum: float = Field(default=0.5, ge=0, le=1)
    queue_size: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _looked_at(self) -> "IdentityOptions":
        unused = [key for key, targets in USED_BY.items() if self.target not in targets]
        refuse_without_effect(self, dict.fromkeys(unused, f"the target '{self.target}' does not look at it"))
        return self

    @property
    def needs_table(self) -> bool:
        """Whether the target is made of a teacher's table."""
        return self.target != "oim"

    @property
    def learns_table(self) -> bool:
        """Whether the target has a table that learns along, made of the student's own embeddings."""
        return self.target in ("oim", "lut_ema")


def build_identity_loss(
    options: IdentityOptions | None, identities: int, embedding_dim: int, table: Tensor | None
) -> IdentityLoss:
    """Build the loss of a target.

    Args:
        options: which target; None for none.
        identities: number of labelled training people, I.
        embedding_dim: size of the student's embedding, D.
        table: `[I, D]` the teacher's rows; not looked at by `oim`.

    Raises:
        ValueError: the target is made of a table and there is none, or it has another shape.
    """
    if options is None:
        return NoIdentityLoss()
    if options.target == "oim":
        empty = torch.zeros(identities, embedding_dim)
        return OnlineInstanceMatching(empty, options.queue_size, options.momentum, options.scale)
    if table is None or table.shape != (identities, embedding_dim):
        found = "none" if table is None else list(table.shape)
        raise ValueError(
            f"target '{options.target}' needs a table of [{identities}, {embedding_dim}], got {found}"
        )
    if options.target == "lut":
        return FrozenTable(table, options.queue_size, options.scale)
    if options.target == "lut_ema":
        return OnlineInstanceMatching(table, options.queue_size, options.momentum, options.scale)
    if options.target == "cosine":
        return CosineToRow(table)
    if options.target == "kl":
        return SimilarityDivergence(table, options.scale)
    assert_never(options.target)
