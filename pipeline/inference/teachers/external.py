"""Crop models that somebody else trained: what they are given, and the check of what they give."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.description import ModelDescription
from pipeline.inference.teachers.leak import stated_trained_on

Run = Callable[[Tensor], Tensor]
"""From what the model is given, `[B, 3, h, w]`, to what it gives, on any device."""


class ExternalCropModel:
    """A `CropModel` that its owner has described; what it gives is brought to unit length.

    Args:
        name: of its file, for messages.
        description: what it is to be given.
        batch: how many crops it takes at a time; None for any number.
        run: the model.
    """

    advice = "are `scale`, `mean` and `std` in its YAML the model's?"

    def __init__(self, name: str, description: ModelDescription, batch: int | None, run: Run) -> None:
        self.name = name
        self.size = (description.height, description.width)
        self.trained_on = stated_trained_on(description.trained_on, name)
        self._description, self._batch, self._run = description, batch, run

    @torch.no_grad()
    def embed(self, crops: Tensor) -> Tensor:
        """Return unit embeddings `[N, D]` of RGB crops `[N, 3, h, w]` in 0..1, or the mean of both ways.

        One that is zero or not finite stays so.

        Raises:
            UserError: the model fails, or gives no `[N, D]`.
        """
        given = self._prepared(crops)
        unit = functional.normalize(self._rows(given), dim=1)
        if self._description.mirror:
            unit = (unit + functional.normalize(self._rows(given.flip(-1)), dim=1)) / 2
        return unit

    def _prepared(self, crops: Tensor) -> Tensor:
        """Bring RGB crops in 0..1 to the channels and values that the model takes."""
        if self._description.channels == "bgr":
            crops = crops.flip(1)
        mean, std = (
            torch.tensor(values, device=crops.device).view(1, 3, 1, 1)
            for values in (self._description.mean, self._description.std)
        )
        return (crops * self._description.scale - mean) / std

    def _rows(self, given: Tensor) -> Tensor:
        """Run the model on `[N, 3, h, w]`, in its own batch where it has one."""
        parts = torch.split(given, self._batch or len(given))
        return torch.cat([self._of_batch(part) for part in parts])

    def _of_batch(self, given: Tensor) -> Tensor:
        """Run the model once; a last batch that is too small is filled up with its last crop."""
        wanted = self._batch or len(given)
        filled = torch.cat([given, given[-1:].expand(wanted - len(given), -1, -1, -1)])
        output = self._run(filled)
        rows = output.flatten(1) if output.shape[2:] == (1, 1) else output
        if rows.ndim != 2 or len(rows) != wanted or not rows.shape[1]:
            raise UserError(
                f"{self.name} gives {list(output.shape)} for {wanted} crops; embeddings are [{wanted}, D] "
                f"or [{wanted}, D, 1, 1] (a fixed number of crops at a time: `batch` in its YAML)"
            )
        return rows[: len(given)].float()
