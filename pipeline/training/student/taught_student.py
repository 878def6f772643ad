"""A student with the adapter for the feature hint, which only its training needs."""

import torch
from torch import Tensor, nn

from pipeline.batches.ground_truth import Target
from pipeline.models.person_search import PersonSearchNetwork, SearchStep


class TaughtStudent(nn.Module):
    """A student, and a 1x1 convolution from its stem's channels to a teacher's.

    The adapter is there even between equal channels: two networks need not order them alike (Chen et al.).
    It starts as the identity, so that the hint between equal networks is 0. Where a teacher has more
    channels, the student's are taken again from the first on: zeros could not be normalised.
    """

    def __init__(self, student: PersonSearchNetwork, teacher_channels: int | None) -> None:
        super().__init__()
        self.student = student
        self.adapter: nn.Conv2d | None = None
        if teacher_channels is not None:
            self.adapter = nn.Conv2d(student.stem_channels, teacher_channels, 1, bias=False)
            with torch.no_grad():
                self.adapter.weight.zero_()
                outputs = torch.arange(teacher_channels)
                self.adapter.weight[outputs, outputs % student.stem_channels] = 1.0

    def search_step(self, images: list[Tensor], targets: list[Target]) -> SearchStep:
        """See `PersonSearchNetwork.search_step`; with the features that the adapter makes."""
        step = self.student.search_step(images, targets)
        return step if self.adapter is None else step._replace(adapted=self.adapter(step.detection.features))
