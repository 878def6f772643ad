"""Trying settings of a student on validation identities, which no test result is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from commands.validation import VALIDATION, require_validation
from pipeline.basics.progress import Progress, TrainingProgress
from pipeline.devices import one_device
from pipeline.evaluation.metric_table import measured
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student


@dataclass(frozen=True)
class Outcome:
    """The metrics of one try, as fractions; named as in `METRICS`."""

    search_mAP: float  # noqa: N815 (the field's own spelling)
    search_top1: float
    coco_ap50: float
    coco_ap70: float
    ground_truth_boxes_mAP: float  # noqa: N815

    def as_dict(self) -> dict[str, float]:
        """Return the metrics by name, rounded to six decimals."""
        return {name: round(value, 6) for name, value in vars(self).items()}


def try_settings(
    data: PreparedDataSet,
    options: StudentOptions,
    teachers: Teachers,
    inference: InferenceOptions,
    evaluation: EvaluationOptions,
    training_progress: TrainingProgress,
    inference_progress: Progress,
) -> Outcome:
    """Train a student with some settings and score it on the validation split.

    Args:
        data: a data set with the splits `train` and `val`; no other split is read.
        options: the settings to try.
        teachers: the teachers that the settings name.
        inference: how the student is run.
        evaluation: how its detections are scored.
        training_progress: progress of the training.
        inference_progress: progress of the inference.
    """
    network, _ = train_student(data, options, teachers, training_progress)
    return validation_outcome(network, data, inference, evaluation, inference_progress)


def validation_outcome(
    network: PersonSearchNetwork,
    data: PreparedDataSet,
    inference: InferenceOptions,
    evaluation: EvaluationOptions,
    progress: Progress,
) -> Outcome:
    """Score a trained student on the validation split.

    Raises:
        UserError: the data set has none.
    """
    require_validation(data)
    return outcome_of(split_metrics(network, data, VALIDATION, inference, evaluation, progress))


def split_metrics(
    network: PersonSearchNetwork,
    data: PreparedDataSet,
    split: str,
    inference: InferenceOptions,
    evaluation: EvaluationOptions,
    progress: Progress,
) -> Mapping[str, Any]:
    """Return the metrics of a trained student on a split, of its default gallery.

    Raises:
        UserError: the data set has no such split, or nobody is searched for in it.
    """
    scenes = data.split(split)
    detections = search_detections(
        network,
        scenes,
        data.images(split),
        inference,
        device=one_device(),
        progress=progress,
    )
    # Sizes wanted of the test split of params.yaml's data set may be missing in this one.
    evaluation = evaluation.model_copy(update={"gallery_sizes": ()})
    return evaluate(scenes, detections, evaluation, data.name)


def outcome_of(metrics: Mapping[str, Any]) -> Outcome:
    """Return what is told of metrics."""
    return Outcome(**{item.name: measured(metrics, item.name) for item in fields(Outcome)})
