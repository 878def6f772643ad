"""The detector distillation's losses against plain loops in float64, value and gradient."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.losses.detector_distillation import (
    feature_hint,
    soft_cross_entropy,
    teacher_bounded_box,
    two_class_logits,
)

counts = st.integers(0, 6)
seeds = st.integers(0, 1000)


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def gradient_by_differences(loss, point, step=1e-6):
    gradient = torch.zeros_like(point)
    for index in range(point.numel()):
        nudge = torch.zeros_like(point).view(-1)
        nudge[index] = step
        nudge = nudge.view_as(point)
        gradient.view(-1)[index] = (loss(point + nudge) - loss(point - nudge)) / (2 * step)
    return gradient


def assert_value_and_gradient(loss, expected, student):
    student = student.clone().requires_grad_()
    value = loss(student)
    assert float(value.detach()) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    (gradient,) = torch.autograd.grad(value, student)
    torch.testing.assert_close(
        gradient, gradient_by_differences(loss, student.detach()), rtol=1e-6, atol=1e-7
    )


def plain_soft_cross_entropy(student, teacher, background_weight, temperature):
    def probabilities(logits):
        powers = [math.exp(x / temperature) for x in logits]
        return [power / sum(powers) for power in powers]

    total = 0.0
    for own, other in zip(student.tolist(), teacher.tolist(), strict=True):
        for label, (p, q) in enumerate(zip(probabilities(own), probabilities(other), strict=True)):
            total -= (background_weight if label == 0 else 1.0) * q * math.log(p)
    return temperature**2 * total / len(student) if len(student) else 0.0


@given(count=counts, classes=st.integers(2, 4), seed=seeds, temperature=st.sampled_from([0.5, 1.0, 3.0]))
def test_soft_cross_entropy_equals_a_plain_loop(count, classes, seed, temperature):
    student, teacher = numbers(count, classes, seed=seed), numbers(count, classes, seed=seed + 1)
    expected = plain_soft_cross_entropy(student, teacher, 1.5, temperature)
    assert_value_and_gradient(
        lambda logits: soft_cross_entropy(logits, teacher, 1.5, temperature), expected, student
    )


def test_soft_cross_entropy_by_hand():
    """Teacher 0.8 person; student 0.5: -(1.5 * 0.2 + 0.8) * log 0.5."""
    student, teacher = torch.zeros(1, 2), torch.tensor([[0.0, math.log(4.0)]])
    assert float(soft_cross_entropy(student, teacher, 1.5, 1.0)) == pytest.approx(1.1 * math.log(2.0))


def test_soft_cross_entropy_is_least_at_the_teacher_where_classes_weigh_the_same():
    teacher = numbers(5, 2)
    least = soft_cross_entropy(teacher, teacher, 1.0, 1.0)
    for seed in range(1, 20):
        assert soft_cross_entropy(teacher + 0.3 * numbers(5, 2, seed=seed), teacher, 1.0, 1.0) > least


def test_objectness_as_two_classes_has_the_sigmoids_probabilities():
    objectness = numbers(7)
    probabilities = two_class_logits(objectness).softmax(dim=1)
    torch.testing.assert_close(probabilities[:, 1], objectness.sigmoid())
    assert two_class_logits(objectness[:0]).shape == (0, 2)


def plain_bounded_box(student, teacher, target, margin, count):
    total = 0.0
    for own, other, truth in zip(student.tolist(), teacher.tolist(), target.tolist(), strict=True):
        mine = sum((a - b) ** 2 for a, b in zip(own, truth, strict=True))
        theirs = sum((a - b) ** 2 for a, b in zip(other, truth, strict=True))
        if mine + margin > theirs:
            total += mine
    return total / max(count, 1)


@given(count=counts, seed=seeds, margin=st.sampled_from([0.0, 0.5, 4.0]))
def test_bounded_box_equals_a_plain_loop(count, seed, margin):
    student, teacher, target = (numbers(count, 4, seed=3 * seed + offset) for offset in range(3))
    expected = plain_bounded_box(student, teacher, target, margin, 2 * count)
    assert_value_and_gradient(
        lambda deltas: teacher_bounded_box(deltas, teacher, target, margin, 2 * count), expected, student
    )


def test_bounded_box_by_hand():
    """The first student is worse than its teacher (4 against 1), the second better (1 against 9)."""
    target = torch.zeros(2, 4)
    student = torch.tensor([[2.0, 0, 0, 0], [0, 1.0, 0, 0]])
    teacher = torch.tensor([[0, 0, 1.0, 0], [0, 0, 0, 3.0]])
    assert float(teacher_bounded_box(student, teacher, target, 0.0, 8)) == pytest.approx(4 / 8)
    assert float(teacher_bounded_box(student, teacher, target, 9.0, 8)) == pytest.approx(5 / 8)


def test_a_student_that_equals_its_teacher_is_not_punished():
    deltas, target, features = numbers(6, 4), numbers(6, 4, seed=1), numbers(2, 3, 4, 5)
    assert float(teacher_bounded_box(deltas, deltas.clone(), target, 0.0, 6)) == 0.0
    assert float(feature_hint(features, features.clone())) == 0.0


@given(seed=seeds)
def test_hint_equals_a_plain_loop(seed):
    student, teacher = numbers(1, 2, 2, 3, seed=seed), numbers(1, 2, 2, 3, seed=seed + 1)
    pairs = list(zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True))
    expected = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    assert_value_and_gradient(lambda features: feature_hint(features, teacher), expected, student)


@pytest.mark.parametrize(
    "loss",
    [
        lambda s, t: soft_cross_entropy(s, t, 1.5, 1.0),
        lambda s, t: teacher_bounded_box(s, t, torch.zeros_like(s), 0.0, len(s)),
        feature_hint,
    ],
    ids=["class", "box", "hint"],
)
def test_the_teacher_gets_no_gradient(loss):
    student, teacher = numbers(3, 4).requires_grad_(), numbers(3, 4, seed=1).requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
