"""Training of the person-search student: detection losses, and losses of the embeddings against targets.

The distillation happens in `StudentTask.losses`: the re-ID teacher's table is in `identity_loss` and, by box,
in `box_loss` (its network is never loaded), and the detector teacher predicts for the student's own anchors
and RoIs.
"""

from collections.abc import Mapping
from functools import partial
from operator import attrgetter

import torch
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.progress import TrainingProgress
from pipeline.batches.loading import SceneBatch, TrainingScenes, pair_batches, scene_batches
from pipeline.batches.transforms import scene_transform
from pipeline.devices import make_fabric, seed_everything
from pipeline.losses.boxes.box_loss import BOX_TABLE, BoxLoss
from pipeline.losses.boxes.targets import build_box_loss
from pipeline.losses.detector_distillation import (
    PREFIX,
    DetectorDistillationOptions,
    detector_distillation,
)
from pipeline.losses.identity.identity_loss import IdentityLoss
from pipeline.losses.identity.targets import build_identity_loss
from pipeline.models.detector import DetectionStep, Detector, DetectorOptions
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchNetwork, SearchStep
from pipeline.scenes.box_rows import NO_ROW
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.detector import detection_counts, device_batches
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Point
from pipeline.training.engine.joint import gather_rows, gather_rows_with_gradient, joint_sum
from pipeline.training.engine.loop import train
from pipeline.training.joint_draws import sharing_draws
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.taught_student import TaughtStudent
from pipeline.training.student.teachers import Teachers


class StudentTask:
    """A student, the targets of its embeddings, by identity and by box, and its detector teacher.

    The target by box and the detector teacher need not be there; a target by identity that is not there is a
    `NoIdentityLoss`.
    """

    forward_method = "search_step"

    def __init__(
        self,
        network: TaughtStudent,
        identity_loss: IdentityLoss,
        detector_teacher: Detector | None,
        distillation: DetectorDistillationOptions | None,
        box_loss: BoxLoss | None = None,
    ) -> None:
        self.network = network
        self.identity_loss = identity_loss
        self.box_loss = box_loss
        self.stateful: Mapping[str, nn.Module] = {"identity_loss": identity_loss}
        if box_loss is not None:
            self.stateful = {**self.stateful, "box_loss": box_loss}
        self.detector_teacher = detector_teacher
        self.distillation = distillation
        self._step: SearchStep | None = None

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Return the losses of detection, of a further head, of identity, of boxes and of the detector."""
        step: SearchStep = self.network.search_step(batch.images, batch.targets)
        self._step = step
        # Similarities times the scale lose too much in half precision.
        with torch.autocast(step.embeddings.device.type, enabled=False):
            identity: dict[str, Tensor] = self.identity_loss(step.embeddings, step.person_ids)
            boxes: dict[str, Tensor] = {}
            if self.box_loss is not None:
                assert step.box_rows is not None, "the scenes do not say which rows their boxes have"
                boxes = self.box_loss(step.embeddings, step.box_rows)
        losses = {**step.detection.losses, **step.further.losses, **identity, **boxes}
        if self.detector_teacher is not None and self.distillation is not None:
            judgement = self.detector_teacher.judge(step.detection)
            losses |= detector_distillation(
                step.detection, step.adapted, judgement, self.distillation, joint_sum
            )
        return losses

    def counts(self) -> Mapping[str, int]:
        """Return how many people, anchors, RoIs or features each loss is a mean over."""
        assert self._step is not None, "there are no losses yet"
        detection, adapted = self._step.detection, self._step.adapted
        labelled = int((self._step.person_ids != UNLABELLED).sum())
        distillation = distillation_counts(detection, adapted) if self.distillation is not None else {}
        further = self._step.further.counts
        boxes = box_counts(self._step, self.box_loss) if self.box_loss is not None else {}
        return {**detection_counts(detection), **further, "identity": labelled, **boxes, **distillation}

    def after_batch(self) -> None:
        """Update the target's table and queue with the people of all devices; a teacher's rows stay."""
        if self._step is not None:
            people = self._step.embeddings.detach(), self._step.person_ids
            self.identity_loss.update(*(gather_rows(rows) for rows in people))
            if self.box_loss is not None:
                self.box_loss.update()
            self._step = None


def box_counts(step: SearchStep, loss: BoxLoss) -> dict[str, int]:
    """Return over how many people of this device the loss by box is a mean; nothing if over all devices'."""
    if loss.of_joint_batch or step.box_rows is None:
        return {}
    return {BOX_TABLE: int((step.box_rows != NO_ROW).sum())}


def distillation_counts(step: DetectionStep, adapted: Tensor | None) -> dict[str, int]:
    """Return how many anchors, RoIs or features each loss of the detector distillation is a mean over."""
    anchors, rois = len(step.anchors.labels), len(step.rois.labels)
    counts = {"rpn_class": anchors, "rpn_box": anchors, "roi_class": rois, "roi_box": rois}
    hint = {} if adapted is None else {"hint": adapted.numel()}
    return {f"{PREFIX}{name}": count for name, count in (counts | hint).items()}


def train_student(
    data: PreparedDataSet,
    options: StudentOptions,
    teachers: Teachers,
    progress: TrainingProgress,
    checkpoints: Checkpoints | None = None,
) -> tuple[PersonSearchNetwork, list[Point]]:
    """Train a student on a prepared data set.

    Args:
        data: its `train` split is used.
        options: network, schedule, losses.
        teachers: those that `options` asks for; see `read_teachers`.
        progress: called after each step.
        checkpoints: where the state is kept, so that an interrupted training can go on; None for nowhere.

    Returns:
        The trained network and the history of its losses.

    Raises:
        UserError: student and detector teacher have other image sizes or anchors.
    """
    network, history, _ = train_with_target(data, options, teachers, progress, checkpoints)
    return network, history


def train_with_target(
    data: PreparedDataSet,
    options: StudentOptions,
    teachers: Teachers,
    progress: TrainingProgress,
    checkpoints: Checkpoints | None = None,
) -> tuple[PersonSearchNetwork, list[Point], IdentityLoss]:
    """Do what `train_student` does; return the identity loss, too, with the table that it ended with."""
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    split = data.split("train")
    student = build_student(options.network)
    identity_loss = build_identity_loss(
        options.identity, len(split.identities), options.network.embedding_dim, teachers.table
    ).to(fabric.device)
    network = _with_adapter(student, options.detector_distillation, teachers.detector)
    if teachers.detector is not None:
        teachers.detector.to(fabric.device).eval().requires_grad_(False)
    box_loss = _box_loss(options, teachers.box_rows, fabric.device)
    task = StudentTask(network, identity_loss, teachers.detector, options.detector_distillation, box_loss)
    scenes = TrainingScenes(
        split,
        data.images("train"),
        scene_transform(options.augmentation),
        with_box_rows=box_loss is not None,
        views=teachers.views,
    )
    pairs = partial(pair_batches, absent=options.absent_pairs)
    yielded = pairs if student.trains_on_pairs else scene_batches
    batches = device_batches(scenes, options.training, options.seed, fabric, yielded)
    with sharing_draws(student):
        history = train(fabric, task, batches, options.training, options.weights(), progress, checkpoints)
    return student.eval(), history, identity_loss


def _box_loss(options: StudentOptions, rows: Tensor | None, device: torch.device) -> BoxLoss | None:
    if options.boxes is None:
        return None
    dim = options.network.embedding_dim
    return build_box_loss(options.boxes, dim, rows, options.seed, gather_rows_with_gradient).to(device)


def _with_adapter(
    student: PersonSearchNetwork, distillation: DetectorDistillationOptions | None, teacher: Detector | None
) -> TaughtStudent:
    if (distillation is None) != (teacher is None):
        raise ValueError("a detector teacher and `detector_distillation` go together")
    if distillation is None or teacher is None:
        return TaughtStudent(student, None)
    check_same_boxes(student.options, teacher.options)
    return TaughtStudent(student, teacher.stem_channels if distillation.hint else None)


def check_same_boxes(student: DetectorOptions, teacher: DetectorOptions) -> None:
    """Raise `UserError` where a teacher resizes images or places anchors in another way than its student."""
    for name in ("short_side", "long_side", "rpn.anchor_sizes", "rpn.aspect_ratios"):
        own, other = attrgetter(name)(student), attrgetter(name)(teacher)
        if own != other:
            raise UserError(
                f"network.{name} is {own} in the student and {other} in its detector teacher; make them equal"
            )
