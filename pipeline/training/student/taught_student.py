"""A student as it is while a detector teaches it: with an adapter that only the training needs."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.batches.ground_truth import Target
from pipeline.models.detector import DetectionStep
from pipeline.models.person_search import PersonSearchNetwork


class TaughtStep(NamedTuple):
    """What a training step of a student computed.

    Attributes:
        detection: the four detection losses by name.
        step: what they were computed from.
        embeddings: `[P, D]` of the sampled RoIs that are people.
        person_ids: `[P]` theirs.
        adapted: `[B, C_t, H/16, W/16]` the stem's features in the teacher's channels; None without adapter.
    """

    detection: dict[str, Tensor]
    step: DetectionStep
    embeddings: Tensor
    person_ids: Tensor
    adapted: Tensor | None


class TaughtStudent(nn.Module):
    """A student, and a 1x1 convolution from its stem's channels to a teacher's.

    The adapter is there even between equal channels: two networks need not order them alike (Chen et al.).
    It starts as the identity as far as the channels go, so that equal networks differ by nothing.
    """

    def __init__(self, student: PersonSearchNetwork, teacher_channels: int | None) -> None:
        super().__init__()
        self.student = student
        self.adapter: nn.Conv2d | None = None
        if teacher_channels is not None:
            self.adapter = nn.Conv2d(student.stem_channels, teacher_channels, 1, bias=False)
            with torch.no_grad():
                nn.init.dirac_(self.adapter.weight)

    def search_losses(self, images: list[Tensor], targets: list[Target]) -> TaughtStep:
        """See `PersonSearchNetwork.search_losses`."""
        detection, step, embeddings, person_ids = self.student.search_losses(images, targets)
        adapted = None if self.adapter is None else self.adapter(step.features)
        return TaughtStep(detection, step, embeddings, person_ids, adapted)
