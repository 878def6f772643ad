"""The targets of a table by box by name: what the student's embeddings are taught against, box by box."""

from collections.abc import Mapping
from typing import Any, Literal, assert_never

from pydantic import Field, field_validator, model_validator
from torch import Tensor

from pipeline.basics.options import Options, refuse_without_effect
from pipeline.losses.boxes.box_loss import BoxLoss, Gather, of_one_device
from pipeline.losses.boxes.cosine import CosineToBoxRow
from pipeline.losses.boxes.kl import DivergenceOverBoxRows
from pipeline.losses.boxes.relational import RelationsOfBoxRows

CLASSIFIERS = ("oim", "lut", "lut_ema")
"""Identity targets that classify."""
USED_BY: Mapping[str, tuple[str, ...]] = {"scale": ("kl",), "sampled_rows": ("kl",)}
"""The targets that look at a setting; to state it with another is an error."""


class BoxOptions(Options):
    """Which target by box, how much it weighs, and its settings.

    Attributes:
        target: `cosine` (pull to the box's row), `kl` (match the teacher's similarities with a sampled part
            of the rows), `relational` (match the similarities of the step's people with one another).
        weight: factor on the loss beside the four detection losses.
        scale: factor on cosine similarities; for which targets, `USED_BY` says.
        sampled_rows: how many rows of the table a step compares people with.
    """

    target: Literal["cosine", "kl", "relational"]
    weight: float = Field(default=1.0, ge=0)
    scale: float = Field(default=8.0, gt=0)
    sampled_rows: int = Field(default=1024, gt=0)

    @field_validator("target", mode="before")
    @classmethod
    def _classifies_nobody(cls, target: Any) -> Any:
        if target in CLASSIFIERS:
            raise ValueError(
                "boxes are no classes, a person's other boxes would be negatives; "
                "take cosine, kl or relational"
            )
        return target

    @model_validator(mode="after")
    def _looked_at(self) -> "BoxOptions":
        unused = [key for key, targets in USED_BY.items() if self.target not in targets]
        refuse_without_effect(self, dict.fromkeys(unused, f"the target '{self.target}' does not look at it"))
        return self


def build_box_loss(
    options: BoxOptions,
    embedding_dim: int,
    rows: Tensor | None,
    seed: int,
    gather: Gather = of_one_device,
) -> BoxLoss:
    """Build the loss of a target.

    Args:
        options: which target.
        embedding_dim: size of the student's embedding, D.
        rows: `[N, D]` float16, the teacher's rows.
        seed: the student's; of what the loss draws.
        gather: see `Gather`.

    Raises:
        ValueError: there are no rows, or they are of another D.
    """
    if rows is None or rows.ndim != 2 or rows.shape[1] != embedding_dim:
        found = "none" if rows is None else list(rows.shape)
        raise ValueError(
            f"target '{options.target}' needs a table by box of [N, {embedding_dim}], got {found}"
        )
    if options.target == "cosine":
        return CosineToBoxRow(rows)
    if options.target == "kl":
        return DivergenceOverBoxRows(rows, options.scale, options.sampled_rows, seed, gather)
    if options.target == "relational":
        return RelationsOfBoxRows(rows, gather)
    assert_never(options.target)
