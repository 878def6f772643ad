"""Training of the re-identification model on crops."""

from collections.abc import Iterator, Mapping

from pydantic import Field
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.progress import TrainingProgress
from pipeline.batches.loading import CropBatch, TrainingCrops, crop_batches
from pipeline.batches.samplers import IdentityBatches
from pipeline.batches.transforms import AugmentationOptions, crop_transform
from pipeline.devices import data_workers, make_fabric, seed_everything
from pipeline.losses.reid import ReidLoss, ReidLossOptions
from pipeline.models.reid import ReidModel, ReidOptions
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Point
from pipeline.training.engine.joint import gather_rows, gather_rows_with_gradient
from pipeline.training.engine.loop import train
from pipeline.training.engine.optimisation import NetworkTrainingOptions


class ReidTrainingOptions(NetworkTrainingOptions):
    """Everything that the re-ID model's training depends on but the crops.

    A batch is `training.batch_size` crops: `crops_per_identity` of each of as many identities as that makes.
    """

    network: ReidOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    crops_per_identity: int = Field(default=4, ge=1)
    loss: ReidLossOptions = ReidLossOptions()


class ReidTask:
    """A re-ID model and its loss, whose class vectors are learned with it."""

    forward_method = "reid_losses"
    stateful: Mapping[str, nn.Module] = {}

    def __init__(self, model: ReidModel, loss: ReidLoss) -> None:
        self.network = _ReidWithLoss(model, loss)

    def losses(self, batch: CropBatch) -> dict[str, Tensor]:
        """Return the classification and the triplet loss of a batch."""
        return self.network.reid_losses(batch.crops, batch.person_ids)

    def counts(self) -> Mapping[str, int]:
        """Return nothing: each device compares the crops of all."""
        return {}

    def after_batch(self) -> None:
        """Nothing is due."""


class _ReidWithLoss(nn.Module):
    """Model and loss as one module, for one optimiser."""

    def __init__(self, model: ReidModel, loss: ReidLoss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def reid_losses(self, crops: Tensor, person_ids: Tensor) -> dict[str, Tensor]:
        """Return the losses of all devices' crops; this device's are `[N, 3, h, w]`, of people `[N]`."""
        features, embeddings = (gather_rows_with_gradient(rows) for rows in self.model(crops))
        losses: dict[str, Tensor] = self.loss(features, embeddings, gather_rows(person_ids))
        return losses


def train_reid(
    crops: PreparedDataSet,
    options: ReidTrainingOptions,
    progress: TrainingProgress,
    checkpoints: Checkpoints | None = None,
) -> tuple[ReidModel, list[Point]]:
    """Train a re-ID model on the crops of the `train` split; return it and the history of its losses.

    Raises:
        UserError: fewer than two identities, or a batch size that is 1 or no multiple of
            `crops_per_identity`.
    """
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    split = crops.split("train")
    identities, remainder = divmod(options.training.batch_size, options.crops_per_identity)
    if remainder:
        raise UserError(
            f"train_reid: batch_size {options.training.batch_size} is no multiple of "
            f"crops_per_identity {options.crops_per_identity}"
        )
    if options.training.batch_size < 2:
        raise UserError("train_reid: batch_size 1; the neck's batch normalisation needs two crops")
    if options.training.batch_size < fabric.world_size:
        raise UserError(
            f"train_reid: a batch of {options.training.batch_size} cannot be shared by "
            f"{fabric.world_size} devices"
        )
    if len(split.identities) < 2:
        raise UserError(
            f"train_reid: {len(split.identities)} labelled identities; re-identification needs two"
        )
    network = options.network
    transform = crop_transform(options.augmentation, network.crop_height, network.crop_width)
    dataset = TrainingCrops(split, crops.images("train"), transform)
    each, accumulated = options.crops_per_identity, options.training.accumulate
    steps, share = options.training.steps * accumulated, (fabric.global_rank, fabric.world_size)

    def batches(done: int) -> Iterator[CropBatch]:
        sampler = IdentityBatches(
            dataset.person_ids, identities, each, steps, options.seed, *share, done=done * accumulated
        )
        return crop_batches(dataset, sampler, data_workers(), fabric.device)

    model = ReidModel(network)
    loss = ReidLoss(options.loss, len(split.identities), network.embedding_dim)
    history = train(fabric, ReidTask(model, loss), batches, options.training, {}, progress, checkpoints)
    return model.eval(), history
