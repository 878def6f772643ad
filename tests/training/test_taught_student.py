"""The adapter of the feature hint."""

import pytest
import torch

from pipeline.losses.detector_distillation import feature_hint, normalised_hint
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.training.student.taught_student import TaughtStudent
from tests.models.test_person_search import image, target
from tests.tiny import search_options


def student():
    torch.manual_seed(0)
    return PersonSearchNetwork(search_options()).train()


def step_of(channels):
    torch.manual_seed(1)
    return TaughtStudent(student(), channels).search_step([image()], [target([0, 1])])


def test_it_starts_as_the_identity_between_equal_channels():
    step = step_of(student().stem_channels)
    own, adapted = step.detection.features.detach(), step.adapted.detach()
    assert torch.equal(adapted, own)
    assert float(feature_hint(adapted, own)) == 0.0
    assert float(normalised_hint(adapted, own)) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("channels", [20, 33, 100])
def test_it_starts_with_the_students_channels_again_and_again(channels):
    step = step_of(channels)
    features = step.detection.features
    for output in range(channels):
        assert torch.equal(step.adapted[:, output], features[:, output % features.shape[1]])


def test_there_is_none_without_a_teacher():
    step = step_of(None)
    assert step.adapted is None
