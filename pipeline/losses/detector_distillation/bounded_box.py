"""Box distillation in a detector: the teacher is a bound, not a target (Chen et al., NIPS 2017)."""

from torch import Tensor


def teacher_bounded_box(
    student_deltas: Tensor, teacher_deltas: Tensor, target_deltas: Tensor, margin: float, count: int
) -> Tensor:
    """Punish the student where its box is farther from the ground truth than the teacher's.

    `|R_s - y|^2` where `|R_s - y|^2 + m > |R_t - y|^2`, else 0: Chen et al., equation 4. Box regression is
    unbounded, and a teacher may be wrong in the opposite direction: its boxes are no targets.

    Args:
        student_deltas: `[P, 4]` encoded boxes of the positive anchors or RoIs.
        teacher_deltas: `[P, 4]` the teacher's for the same ones; gets no gradient.
        target_deltas: `[P, 4]` the ground truth, encoded likewise.
        margin: m, by how much the student should be better than the teacher, >= 0.
        count: what the sum is divided by: the number of sampled anchors or RoIs, as the plain box loss is.

    Returns:
        A scalar >= 0; 0 where P is 0 or the student is nowhere worse.
    """
    student = (student_deltas - target_deltas).square().sum(dim=1)
    teacher = (teacher_deltas.detach() - target_deltas).square().sum(dim=1)
    worse = student.detach() + margin > teacher
    return (student * worse).sum() / max(count, 1)
