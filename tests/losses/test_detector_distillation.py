"""The detector distillation's losses against plain loops in float64, value and gradient."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.losses.detector_distillation import (
    LEAST_OF_STUDENT,
    LEAST_OF_TEACHER,
    DetectorDistillationOptions,
    feature_hint,
    normalised_hint,
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


def plain_normalised(features, least):
    """Each channel of `[B, C, H, W]` as a list, with mean 0 and deviation 1."""
    channels = [features[:, c].flatten().tolist() for c in range(features.shape[1])]
    means = [sum(values) / len(values) for values in channels]
    variances = [
        sum((value - mean) ** 2 for value in values) / len(values)
        for values, mean in zip(channels, means, strict=True)
    ]
    floor = least * sum(variances) / len(variances)
    return [
        [(value - mean) / math.sqrt(variance + floor) for value in values]
        for values, mean, variance in zip(channels, means, variances, strict=True)
    ]


@given(seed=seeds)
def test_normalised_hint_equals_a_plain_loop(seed):
    student, teacher = numbers(2, 3, 2, 2, seed=seed), numbers(2, 3, 2, 2, seed=seed + 1)
    student = student * torch.tensor([1.0, 9.0, 0.1], dtype=torch.float64)[:, None, None] + 2

    def by_loop(features):
        own, other = plain_normalised(features, LEAST_OF_STUDENT), plain_normalised(teacher, LEAST_OF_TEACHER)
        squares = [
            (a - b) ** 2
            for mine, theirs in zip(own, other, strict=True)
            for a, b in zip(mine, theirs, strict=True)
        ]
        return sum(squares) / len(squares) / 2

    assert float(normalised_hint(student, teacher)) == pytest.approx(by_loop(student), rel=1e-12)


def test_the_gradient_of_the_normalised_hint():
    """With a channel that is far smaller than the others: the floor, which has no gradient, is not felt."""
    teacher = numbers(1, 3, 2, 3, seed=1)
    student = (numbers(1, 3, 2, 3) * torch.tensor([1.0, 2.0, 0.5])[:, None, None].double()).requires_grad_()

    def at(features):
        return normalised_hint(features, teacher)

    (gradient,) = torch.autograd.grad(at(student), student)
    torch.testing.assert_close(gradient, gradient_by_differences(at, student.detach()), rtol=1e-2, atol=1e-4)


@given(seed=seeds, scales=st.lists(st.floats(0.1, 100), min_size=3, max_size=3), shift=st.floats(-50, 50))
def test_normalised_hint_does_not_see_scale_and_shift_of_the_teachers_channels(seed, scales, shift):
    student, teacher = numbers(2, 3, 4, 4, seed=seed), numbers(2, 3, 4, 4, seed=seed + 1)
    factors = torch.tensor(scales, dtype=torch.float64)[:, None, None]
    plain, moved = normalised_hint(student, teacher), normalised_hint(student, teacher * factors + shift)
    assert float(moved) == pytest.approx(float(plain), abs=1e-4)


def test_normalised_hint_is_one_minus_the_correlation():
    student, teacher = numbers(3, 1, 5, 5), numbers(3, 1, 5, 5, seed=1)
    (_, correlation), _ = torch.corrcoef(torch.stack([student.flatten(), teacher.flatten()]))
    assert float(normalised_hint(student, teacher)) == pytest.approx(1 - float(correlation), abs=1e-3)
    assert float(normalised_hint(3 * teacher + 5, teacher)) == pytest.approx(0, abs=1e-6)
    assert float(normalised_hint(-teacher, teacher)) == pytest.approx(2, abs=1e-3)


def test_a_channel_that_is_the_same_everywhere_has_small_gradients():
    student, teacher = numbers(1, 4, 3, 3).float(), numbers(1, 4, 3, 3, seed=1).float()
    student[:, 0] = 0
    student.requires_grad_()
    loss = normalised_hint(student, teacher)
    loss.backward()
    assert loss.isfinite()
    assert 0 < student.grad[:, 0].norm() < 500 * student.grad[:, 1:].norm()
    nothing = torch.zeros(1, 4, 3, 3, requires_grad=True)
    normalised_hint(nothing, torch.zeros(1, 4, 3, 3)).backward()
    assert nothing.grad.isfinite().all()


def test_normalised_hint_is_computed_in_float32():
    student, teacher = numbers(2, 3, 4, 4).bfloat16(), 1e4 * numbers(2, 3, 4, 4, seed=1).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = normalised_hint(student, teacher)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, normalised_hint(student.float(), teacher.float()))


def test_statistics_of_the_normalised_hint_are_of_all_devices():
    """Two halves of a batch, each told the sums of both, have together the loss of the whole."""
    student, teacher = numbers(4, 3, 2, 2), numbers(4, 3, 2, 2, seed=1)
    sums = []

    def noted(values):
        sums.append(values)
        return values

    expected = normalised_hint(student, teacher, noted)
    halves = []
    for half in (slice(0, 2), slice(2, 4)):
        known = iter(sums)
        halves.append(normalised_hint(student[half], teacher[half], lambda _: next(known)))  # noqa: B023
    assert float(sum(halves)) / 2 == pytest.approx(float(expected), rel=1e-12)
    assert float(normalised_hint(student[:2], teacher[:2])) != pytest.approx(float(halves[0]), rel=1e-6)


@pytest.mark.parametrize("form", ["plain", "pkd"])
def test_which_form_of_the_hint(form):
    stated = DetectorDistillationOptions(hint_form=form).model_dump()
    assert DetectorDistillationOptions().hint_form == "plain"
    assert stated.get("hint_form", "plain") == form
    assert ("hint_form" in stated) == (form != "plain")


@pytest.mark.parametrize(
    "loss",
    [
        lambda s, t: soft_cross_entropy(s, t, 1.5, 1.0),
        lambda s, t: teacher_bounded_box(s, t, torch.zeros_like(s), 0.0, len(s)),
        feature_hint,
        lambda s, t: normalised_hint(s[:, :, None, None], t[:, :, None, None]),
    ],
    ids=["class", "box", "hint", "normalised hint"],
)
def test_the_teacher_gets_no_gradient(loss):
    student, teacher = numbers(3, 4).requires_grad_(), numbers(3, 4, seed=1).requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None
