"""Trying settings of a student on validation identities, which are in no test number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import Report, search_detections
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.engine.loop import Report as TrainingReport
from pipeline.training.student.training import StudentOptions, train_student

VALIDATION = "val"


@dataclass(frozen=True)
class Outcome:
    """What one try reached on the validation split, as fractions."""

    search_mAP: float  # noqa: N815 (the field's own spelling)
    search_top1: float
    coco_ap50: float
    coco_ap70: float

    def as_dict(self) -> dict[str, float]:
        """Return the four figures, by name."""
        return {name: round(value, 6) for name, value in vars(self).items()}


class Teachers(NamedTuple):
    """What teaches a student.

    Attributes:
        table: `[I, D]` the re-ID teacher's table; None for a student without one.
        detector: the detector teacher; None for a student without one.
    """

    table: Tensor | None
    detector: Detector | None


def try_settings(
    data: PreparedDataSet,
    options: StudentOptions,
    teachers: Teachers,
    inference: InferenceOptions,
    evaluation: EvaluationOptions,
    training_report: TrainingReport,
    inference_report: Report,
) -> Outcome:
    """Train a student with some settings and score it on the validation split.

    Args:
        data: needs the splits `train` and `val`; nothing else is looked at.
        options: the settings to try.
        teachers: those that the settings ask for.
        inference: how the student is run.
        evaluation: how its detections are scored.
        training_report: progress of the training.
        inference_report: progress of the inference.
    """
    network, _ = train_student(data, options, teachers.table, training_report, teachers.detector)
    return validation_outcome(network, data, inference, evaluation, inference_report)


def validation_outcome(
    network: PersonSearchNetwork,
    data: PreparedDataSet,
    inference: InferenceOptions,
    evaluation: EvaluationOptions,
    report: Report,
) -> Outcome:
    """Score a trained student on the validation split.

    Raises:
        UserError: the data set has none.
    """
    if not data.has(VALIDATION):
        raise UserError(f"data set '{data.name}' has no validation split to tune on")
    split = data.split(VALIDATION)
    detections = search_detections(
        network,
        split,
        data.images(VALIDATION),
        batch_size=inference.batch_size,
        context_threshold=inference.context_threshold,
        report=report,
    )
    metrics: Mapping[str, Any] = evaluate(split, detections, evaluation, data.name)
    return Outcome(
        metrics["search"]["mAP"],
        metrics["search"]["top1"],
        metrics["detection"]["coco_ap50"],
        metrics["detection"]["coco_ap70"],
    )
