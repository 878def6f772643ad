"""What a teacher of a table does, of whichever kind it is, and the check of what it gives."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.crops import Embeddings
from pipeline.inference.people import PeopleInScene
from pipeline.inference.teachers.leak import TrainedOn
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import EncodedPictures

OWN_ADVICE = "did its training diverge?"
"""What may be wrong with a network of this project that gives no sound embedding."""


class Teacher(Protocol):
    """Embeds the people of scenes.

    Attributes:
        trained_on: what it has learned from.
    """

    trained_on: TrainedOn

    def embeddings(
        self,
        split: Split,
        images: EncodedPictures,
        people: Sequence[PeopleInScene],
        device: torch.device,
        progress: Progress,
        share: Share,
    ) -> Iterator[tuple[int, Embeddings]]:
        """Embed a device's share of the people, in batches of scenes.

        Args:
            split: the scenes.
            images: their pictures.
            people: who is embedded; scenes without any are not looked at.
            device: where the teacher runs.
            progress: progress, in entries of `people`.
            share: which batches are this device's.

        Yields:
            Of each batch the number of its first entry in `people`, and the embeddings `[n, D]`, of any
            length but 0, of everybody in it.

        Raises:
            UserError: an embedding is zero or not finite.
        """
        ...


def check_embeddings(
    embeddings: Embeddings, name: str, split: Split, people: Sequence[PeopleInScene], advice: str
) -> None:
    """Check what a teacher gives for the people of a batch.

    Args:
        embeddings: `[n, D]`.
        name: of the teacher, for the message.
        split: the scenes.
        people: of the batch.
        advice: what may be wrong, or is to be done.

    Raises:
        UserError: an embedding is zero or not finite; the line names the box.
    """
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    lost = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if not len(lost):
        return
    at = [(found.scene, place) for found in people for place in found.places]
    scene, place = at[lost[0]]
    what = "zero" if lengths[lost[0]] == 0 else "not finite"
    raise UserError(
        f"{name}: the embedding of box {place} of {split.scenes[scene].name} is {what}; such a teacher "
        f"cannot be learned from ({advice})"
    )
