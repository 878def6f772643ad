"""Training of the person-search student: detection losses, and an identity loss against a target.

This is where the distillation happens, in `StudentTask.losses`: through the re-ID teacher's table, which is
in `identity_loss` (its network is not here), and through the detector teacher, which judges what the student
saw.
"""

from collections.abc import Mapping
from operator import attrgetter

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.batches.loading import SceneBatch, TrainingScenes
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.devices import make_fabric, seed_everything
from pipeline.losses.detector_distillation.levels import DetectorDistillationOptions, detector_distillation
from pipeline.losses.identity.identity_loss import IdentityLoss
from pipeline.losses.identity.targets import IdentityOptions, build_identity_loss
from pipeline.models.detector import Detector
from pipeline.models.detector_options import DetectorOptions
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.detector import DetectionWeights, scene_batches
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Row
from pipeline.training.engine.loop import Report, train
from pipeline.training.engine.optimisation import TrainingOptions
from pipeline.training.student.gathering import gather_people
from pipeline.training.student.taught_student import TaughtStep, TaughtStudent


class StudentOptions(Options):
    """Everything that a student's training depends on but the data and the table."""

    seed: int = Field(ge=0)
    network: PersonSearchOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    training: TrainingOptions
    loss_weights: DetectionWeights = DetectionWeights()
    identity: IdentityOptions
    detector_distillation: DetectorDistillationOptions | None = None

    def weights(self) -> dict[str, float]:
        """Return the factor on each loss by name."""
        distillation = self.detector_distillation.weights() if self.detector_distillation else {}
        return self.loss_weights.model_dump() | {"identity": self.identity.weight} | distillation


class StudentTask:
    """A student, the target of its embeddings, and the detector that teaches it, if one does."""

    forward_method = "search_losses"

    def __init__(
        self,
        network: TaughtStudent,
        identity_loss: IdentityLoss,
        detector_teacher: Detector | None,
        distillation: DetectorDistillationOptions | None,
    ) -> None:
        self.network = network
        self.identity_loss = identity_loss
        self.stateful: Mapping[str, nn.Module] = {"identity_loss": identity_loss}
        self.detector_teacher = detector_teacher
        self.distillation = distillation
        self._people: tuple[Tensor, Tensor] | None = None

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Return the detection losses, the identity loss, and those of the detector teacher."""
        taught: TaughtStep = self.network.search_losses(batch.images, batch.targets)
        embeddings, person_ids = taught.embeddings, taught.person_ids
        self._people = embeddings.detach(), person_ids
        # Similarities times the scale lose too much in half precision.
        with torch.autocast(embeddings.device.type, enabled=False):
            identity: dict[str, Tensor] = self.identity_loss(embeddings, person_ids)
        losses = taught.detection | identity
        if self.detector_teacher is not None and self.distillation is not None:
            judgement = self.detector_teacher.judge(taught.step)
            losses |= detector_distillation(taught.step, taught.adapted, judgement, self.distillation)
        return losses

    def after_step(self) -> None:
        """Let the target take the step's people in, where it does."""
        if self._people is not None:
            self.identity_loss.update(*gather_people(*self._people))


def train_student(
    data: PreparedDataSet,
    options: StudentOptions,
    table: Tensor | None,
    report: Report,
    detector_teacher: Detector | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[PersonSearchNetwork, list[Row]]:
    """Train a student on a prepared data set.

    Args:
        data: its `train` split is used.
        options: network, schedule, losses.
        table: `[I, D]` the teacher's table; None for a student without a teacher.
        report: progress.
        detector_teacher: needed where `options.detector_distillation` is there, and only there.
        checkpoints: where the state is kept, so that an interrupted training can go on; None for nowhere.

    Returns:
        The trained network and the history of its losses.

    Raises:
        UserError: the two detectors do not look at the same boxes.
    """
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    split = data.split("train")
    student = PersonSearchNetwork(options.network)
    identity_loss = build_identity_loss(
        options.identity, len(split.identities), options.network.embedding_dim, table
    ).to(fabric.device)
    network = _with_adapter(student, options.detector_distillation, detector_teacher)
    if detector_teacher is not None:
        detector_teacher.to(fabric.device).eval().requires_grad_(False)
    task = StudentTask(network, identity_loss, detector_teacher, options.detector_distillation)
    scenes = TrainingScenes(split, data.images("train"), scene_transform(options.augmentation))
    batches = scene_batches(scenes, options.training, options.seed, fabric)
    history = train(fabric, task, batches, options.training, options.weights(), report, checkpoints)
    return student.eval(), history


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
    """Raise `UserError` where a teacher cannot judge a student's anchors: other images or anchors."""
    for name in ("short_side", "long_side", "rpn.anchor_sizes", "rpn.aspect_ratios"):
        own, other = attrgetter(name)(student), attrgetter(name)(teacher)
        if own != other:
            raise UserError(
                f"network.{name} is {own} in the student and {other} in its detector teacher; make them equal"
            )
