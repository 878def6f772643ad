"""What a teacher detector tells a student at each level: proposals, RoIs, features (Chen et al., NIPS 2017).

The teacher judges the student's own sampled anchors and RoIs, so that both speak of the same boxes.
"""

from pydantic import Field
from torch import Tensor

from pipeline.basics.options import Options
from pipeline.batches.ground_truth import PERSON
from pipeline.losses.detector_distillation.bounded_box import teacher_bounded_box
from pipeline.losses.detector_distillation.hint import feature_hint
from pipeline.losses.detector_distillation.soft_class import soft_cross_entropy, two_class_logits
from pipeline.models.detector import DetectionStep, Judgement

LEVELS = ("rpn_class", "rpn_box", "roi_class", "roi_box", "hint")
PREFIX = "distil_"
"""Before the names of these losses, beside the student's own."""


class DetectorDistillationOptions(Options):
    """Factors on the five losses, 0 to switch one off, and their settings.

    How much the ground truth counts beside the teacher (the paper's mu) is in `loss_weights`.

    Attributes:
        rpn_class: soft cross-entropy of the sampled anchors.
        rpn_box: teacher-bounded boxes of the positive anchors.
        roi_class: soft cross-entropy of the sampled RoIs.
        roi_box: teacher-bounded boxes of the positive RoIs.
        hint: squared difference of the stems' features, behind a 1x1 adapter; 0.5 in the paper.
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

    def weights(self) -> dict[str, float]:
        """Return the factor of each loss that is switched on, by the loss's name."""
        factors = {f"{PREFIX}{name}": getattr(self, name) for name in LEVELS}
        return {name: factor for name, factor in factors.items() if factor}


def detector_distillation(
    step: DetectionStep, adapted: Tensor | None, teacher: Judgement, options: DetectorDistillationOptions
) -> dict[str, Tensor]:
    """Compare what a student computed in a training step with what its teacher says of the same boxes.

    Args:
        step: the student's step.
        adapted: `[B, C_t, H, W]` the student's features in the teacher's channels; not looked at where the
            hint is off.
        teacher: the teacher's view; gets no gradient.
        options: which losses.

    Returns:
        Scalars by name, of those losses that are switched on: `distil_rpn_class`, `distil_rpn_box`,
        `distil_roi_class`, `distil_roi_box`, `distil_hint`; unweighted.
    """
    anchors, rois = step.anchors, step.rois
    soft = (options.background_weight, options.temperature)
    positive_anchors, people = anchors.labels == PERSON, rois.labels == PERSON
    losses = {}
    if options.rpn_class:
        losses["rpn_class"] = soft_cross_entropy(
            two_class_logits(anchors.objectness), two_class_logits(teacher.objectness), *soft
        )
    if options.rpn_box:
        losses["rpn_box"] = teacher_bounded_box(
            anchors.box_deltas[positive_anchors],
            teacher.anchor_deltas[positive_anchors],
            anchors.target_deltas[positive_anchors],
            options.margin,
            len(anchors.labels),
        )
    if options.roi_class:
        losses["roi_class"] = soft_cross_entropy(rois.class_logits, teacher.class_logits, *soft)
    if options.roi_box:
        losses["roi_box"] = teacher_bounded_box(
            rois.box_deltas[people],
            teacher.roi_deltas[people],
            rois.target_deltas[people],
            options.margin,
            len(rois.labels),
        )
    if options.hint:
        assert adapted is not None
        losses["hint"] = feature_hint(adapted, teacher.features)
    return {f"{PREFIX}{name}": loss for name, loss in losses.items()}
