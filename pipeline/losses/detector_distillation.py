"""Detector distillation: what a teacher detector tells a student at each level (Chen et al., NIPS 2017).

The levels are proposals, RoIs and features. The teacher judges the student's own sampled anchors and RoIs, so
that both speak of the same boxes.
"""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.basics.options import Options, added_field
from pipeline.batches.ground_truth import PERSON
from pipeline.models.detector import DetectionStep, Judgement, SampledRois
from pipeline.models.region_proposals import SampledAnchors

LEVELS = ("rpn_class", "rpn_box", "roi_class", "roi_box", "hint")
PREFIX = "distil_"
"""Before the names of these losses, beside the student's own."""
LEAST_OF_STUDENT, LEAST_OF_TEACHER = 1e-4, 1e-12
"""Added to a channel's variance, as a fraction of the mean variance of all channels. A student's channel that
hardly moves would have gradients that outweigh all others (ours). A teacher has no gradients."""
NOTHING = 1e-12
"""Least variance of all, for features that are the same everywhere."""


class DetectorDistillationOptions(Options):
    """Factors on the five losses, 0 to switch one off, and their settings.

    How much the ground truth counts beside the teacher (the paper's mu) is in `loss_weights`.

    Attributes:
        rpn_class: soft cross-entropy of the sampled anchors.
        rpn_box: teacher-bounded boxes of the positive anchors.
        roi_class: soft cross-entropy of the sampled RoIs.
        roi_box: teacher-bounded boxes of the positive RoIs.
        hint: squared difference of the stems' features, behind a 1x1 adapter; 0.5 in the paper.
        hint_form: `plain`, or `pkd`, which first brings each channel to mean 0 and deviation 1: the large
            features of a teacher do not outweigh all other losses then.
        background_weight: of the background in the soft cross-entropies; 1.5 in the paper.
        temperature: of the soft cross-entropies; 1 in the paper.
        margin: by how much the student's boxes should be better than the teacher's, squared; the paper's m.
    """

    rpn_class: float = Field(default=1.0, ge=0)
    rpn_box: float = Field(default=0.5, ge=0)
    roi_class: float = Field(default=1.0, ge=0)
    roi_box: float = Field(default=0.5, ge=0)
    hint: float = Field(default=0.5, ge=0)
    background_weight: float = Field(default=1.5, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    margin: float = Field(default=0.0, ge=0)
    hint_form: Literal["plain", "pkd"] = added_field("plain")

    def weights(self) -> dict[str, float]:
        """Return the factor of each loss that is switched on, by the loss's name."""
        factors = {f"{PREFIX}{name}": getattr(self, name) for name in LEVELS}
        return {name: factor for name, factor in factors.items() if factor}


Sum = Callable[[Tensor], Tensor]
"""Returns the sum of a tensor over all devices that train together, through which gradients go."""


def of_one_device(values: Tensor) -> Tensor:
    """Return the sum over devices where there is one."""
    return values


def detector_distillation(
    step: DetectionStep,
    adapted: Tensor | None,
    teacher: Judgement,
    options: DetectorDistillationOptions,
    joint_sum: Sum = of_one_device,
) -> dict[str, Tensor]:
    """Compare what a student computed in a training step with what its teacher says of the same boxes.

    Args:
        step: the student's step.
        adapted: `[B, C_t, H, W]` the student's features in the teacher's channels; not looked at where the
            hint is off.
        teacher: the teacher's view; gets no gradient.
        options: which losses.
        joint_sum: see `Sum`; for the hint's statistics.

    Returns:
        Scalars by name, of those losses that are switched on: `distil_rpn_class`, `distil_rpn_box`,
        `distil_roi_class`, `distil_roi_box`, `distil_hint`; unweighted.
    """
    anchors, rois = step.anchors, step.rois
    soft = (options.background_weight, options.temperature)
    losses = {}
    if options.rpn_class:
        losses["rpn_class"] = soft_cross_entropy(
            two_class_logits(anchors.objectness), two_class_logits(teacher.objectness), *soft
        )
    if options.rpn_box:
        losses["rpn_box"] = _bounded_box(anchors, teacher.anchor_deltas, options.margin)
    if options.roi_class:
        losses["roi_class"] = soft_cross_entropy(rois.class_logits, teacher.class_logits, *soft)
    if options.roi_box:
        losses["roi_box"] = _bounded_box(rois, teacher.roi_deltas, options.margin)
    if options.hint:
        assert adapted is not None
        if options.hint_form == "pkd":
            losses["hint"] = normalised_hint(adapted, teacher.features, joint_sum)
        else:
            losses["hint"] = feature_hint(adapted, teacher.features)
    return {f"{PREFIX}{name}": loss for name, loss in losses.items()}


def soft_cross_entropy(
    student_logits: Tensor, teacher_logits: Tensor, background_weight: float, temperature: float
) -> Tensor:
    """Compare the student's class probabilities with the teacher's.

    `- sum_c w_c P_t^c log P_s^c`, Chen et al., equation 2, times the squared temperature: the gradient keeps
    its size whatever the temperature is (Hinton et al., 2015).

    Args:
        student_logits: `[N, C]`, class 0 is background.
        teacher_logits: `[N, C]`; gets no gradient.
        background_weight: factor on the background's term (1.5 in the paper); 1 on all others.
        temperature: > 0; 1 in the paper.

    Returns:
        A scalar, the mean over N; 0 where N is 0.
    """
    weights = student_logits.new_ones(student_logits.shape[1])
    weights[0] = background_weight
    teacher = functional.softmax(teacher_logits.detach() / temperature, dim=1)
    student = functional.log_softmax(student_logits / temperature, dim=1)
    losses = -(weights * teacher * student).sum(dim=1)
    return temperature**2 * losses.sum() / max(len(losses), 1)


def two_class_logits(objectness: Tensor) -> Tensor:
    """Return the RPN's logits `[N]` of a sigmoid as logits `[N, 2]` of a softmax: background, person."""
    logits = objectness.new_zeros(len(objectness), PERSON + 1)
    return torch.cat([logits[:, :PERSON], objectness[:, None]], dim=1)


def _bounded_box(sampled: SampledAnchors | SampledRois, teacher_deltas: Tensor, margin: float) -> Tensor:
    """Return `teacher_bounded_box` of those of the sampled anchors or RoIs that are people."""
    people = sampled.labels == PERSON
    own, target = sampled.box_deltas[people], sampled.target_deltas[people]
    return teacher_bounded_box(own, teacher_deltas[people], target, margin, len(sampled.labels))


def teacher_bounded_box(
    student_deltas: Tensor, teacher_deltas: Tensor, target_deltas: Tensor, margin: float, count: int
) -> Tensor:
    """Punish the student where its box is farther from the ground truth than the teacher's.

    `|R_s - y|^2` where `|R_s - y|^2 + m > |R_t - y|^2`, else 0: Chen et al., equation 4. Box regression is
    unbounded, and a teacher may be wrong in the opposite direction: its boxes are no targets.

    Args:
        student_deltas: `[P, 4]` encoded boxes of the positive anchors or RoIs.
        teacher_deltas: `[P, 4]` the teacher's for the same ones; gets no gradient.
        target_deltas: `[P, 4]` the ground truth, encoded the same way.
        margin: m, by how much the student should be better than the teacher, >= 0.
        count: what the sum is divided by: the number of sampled anchors or RoIs, as the plain box loss is.

    Returns:
        A scalar >= 0; 0 where P is 0 or the student is nowhere worse.
    """
    student = (student_deltas - target_deltas).square().sum(dim=1)
    teacher = (teacher_deltas.detach() - target_deltas).square().sum(dim=1)
    worse = student.detach() + margin > teacher
    return (student * worse).sum() / max(count, 1)


def feature_hint(adapted: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the mean squared difference of two feature maps.

    Chen et al., equation 5, divided by the number of elements (ours): the plain sum grows with the image.

    Args:
        adapted: `[B, C, H, W]` the student's features, brought to the teacher's channels by an adapter.
        teacher_features: `[B, C, H, W]`; gets no gradient.

    Returns:
        A scalar >= 0.
    """
    return functional.mse_loss(adapted, teacher_features.detach())


def normalised_hint(adapted: Tensor, teacher_features: Tensor, joint_sum: Sum = of_one_device) -> Tensor:
    """Return half the mean squared difference of two feature maps with mean 0 and deviation 1 a channel.

    The hint of PKD (Cao et al., NeurIPS 2022): 1 minus the correlation of student and teacher, channel by
    channel, whatever their scales and means are.

    Args:
        adapted: `[B, C, H, W]` the student's features, brought to the teacher's channels by an adapter.
        teacher_features: `[B, C, H, W]`; gets no gradient.
        joint_sum: see `Sum`; a channel's mean and deviation are of the images of all devices.

    Returns:
        A scalar, 0..2.
    """
    student = standardised(adapted, LEAST_OF_STUDENT, joint_sum)
    teacher = standardised(teacher_features.detach(), LEAST_OF_TEACHER, joint_sum)
    return functional.mse_loss(student, teacher) / 2


def standardised(features: Tensor, least: float, joint_sum: Sum = of_one_device) -> Tensor:
    """Bring each channel to mean 0 and deviation 1 over images and places, in float32 (float64 stays).

    Args:
        features: `[B, C, H, W]`.
        least: what is added to each channel's variance, as a fraction of the mean variance over channels. A
            constant channel becomes 0.
        joint_sum: see `Sum`.
    """
    values = features if features.dtype == torch.float64 else features.float()
    places = (0, 2, 3)
    count = joint_sum(values.new_tensor(values[:, 0].numel()))
    centred = values - joint_sum(values.sum(places, keepdim=True)) / count
    variance = joint_sum(centred.square().sum(places, keepdim=True)) / count
    floor = (least * variance.detach().mean()).clamp(min=NOTHING)
    return centred * torch.rsqrt(variance + floor)
