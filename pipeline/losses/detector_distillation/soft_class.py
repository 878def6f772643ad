"""Class distillation in a detector: soft cross-entropy with class weights (Chen et al., NIPS 2017)."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.batches.ground_truth import PERSON


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
