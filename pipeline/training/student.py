"""Training of the person-search student: detection losses, and an identity loss against a target.

This is where the distillation happens, in `StudentTask.losses`. The re-ID teacher is in `identity_loss`, as
a table; its network is not here. A detector teacher is to join there, beside it.
"""

import torch
from pydantic import Field
from torch import Tensor

from pipeline.data.loading import SceneBatch, TrainingScenes
from pipeline.data.prepared import PreparedDataSet
from pipeline.data.transforms import AugmentationOptions, scene_transform
from pipeline.losses.identity import IdentityLoss
from pipeline.losses.targets import IdentityOptions, build_identity_loss
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.options import Options
from pipeline.training.detector import DetectionWeights, scene_batches
from pipeline.training.devices import make_fabric, seed_everything
from pipeline.training.gathering import gather_people
from pipeline.training.loop import Report, Row, train
from pipeline.training.optimisation import TrainingOptions


class StudentOptions(Options):
    """Everything that a student's training depends on but the data and the table."""

    seed: int = Field(ge=0)
    network: PersonSearchOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    training: TrainingOptions
    loss_weights: DetectionWeights = DetectionWeights()
    identity: IdentityOptions


class StudentTask:
    """A student and the target of its embeddings."""

    forward_method = "search_losses"

    def __init__(self, network: PersonSearchNetwork, identity_loss: IdentityLoss) -> None:
        self.network = network
        self.identity_loss = identity_loss
        self._people: tuple[Tensor, Tensor] | None = None

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Return the four detection losses and the identity loss of a batch."""
        detection, _rois, embeddings, person_ids = self.network.search_losses(batch.images, batch.targets)
        self._people = embeddings.detach(), person_ids
        # Similarities times the scale lose too much in half precision.
        with torch.autocast(embeddings.device.type, enabled=False):
            identity: dict[str, Tensor] = self.identity_loss(embeddings, person_ids)
        return detection | identity

    def after_step(self) -> None:
        """Let the target take the step's people in, where it does."""
        if self._people is not None:
            self.identity_loss.update(*gather_people(*self._people))


def train_student(
    data: PreparedDataSet, options: StudentOptions, table: Tensor | None, report: Report
) -> tuple[PersonSearchNetwork, list[Row]]:
    """Train a student on a prepared data set.

    Args:
        data: its `train` split is used.
        options: network, schedule, losses.
        table: `[I, D]` the teacher's table; None for a student without a teacher.
        report: progress.

    Returns:
        The trained network and the history of its losses.
    """
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    split = data.split("train")
    network = PersonSearchNetwork(options.network)
    identity_loss = build_identity_loss(
        options.identity, len(split.identities), options.network.embedding_dim, table
    )
    task = StudentTask(network, identity_loss.to(fabric.device))
    scenes = TrainingScenes(split, data.images("train"), scene_transform(options.augmentation))
    batches = scene_batches(scenes, options.training, options.seed, fabric)
    weights = options.loss_weights.model_dump() | {"identity": options.identity.weight}
    history = train(fabric, task, batches, options.training, weights, report)
    return network.eval(), history
