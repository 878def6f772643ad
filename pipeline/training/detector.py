"""Training of a detector: the four detection losses and nothing else."""

from collections.abc import Iterator, Mapping

from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.batches.loading import SceneBatch, TrainingScenes, scene_loader
from pipeline.batches.samplers import ShuffledBatches
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.devices import data_workers, make_fabric, seed_everything
from pipeline.models.detector import Detector
from pipeline.models.detector_options import DetectorOptions
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Row
from pipeline.training.engine.loop import Batches, Report, train
from pipeline.training.engine.optimisation import TrainingOptions


class DetectionWeights(Options):
    """Factors on the four losses of Faster R-CNN; 1 each in OIM."""

    rpn_objectness: float = Field(default=1.0, ge=0)
    rpn_box: float = Field(default=1.0, ge=0)
    roi_class: float = Field(default=1.0, ge=0)
    roi_box: float = Field(default=1.0, ge=0)


class DetectorTrainingOptions(Options):
    """Everything that a detector's training depends on but the data."""

    seed: int = Field(ge=0)
    network: DetectorOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    training: TrainingOptions
    loss_weights: DetectionWeights = DetectionWeights()


class DetectorTask:
    """A detector in training mode."""

    forward_method = "detection_losses"
    stateful: Mapping[str, nn.Module] = {}

    def __init__(self, network: Detector) -> None:
        self.network = network

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Return the four detection losses of a batch."""
        losses, _step = self.network.detection_losses(batch.images, batch.targets)
        return losses

    def after_step(self) -> None:
        """Nothing is due."""


def train_detector(
    data: PreparedDataSet,
    options: DetectorTrainingOptions,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> tuple[Detector, list[Row]]:
    """Train a detector on the `train` split; return it and the history of its losses."""
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    network = Detector(options.network)
    scenes = TrainingScenes(data.split("train"), data.images("train"), scene_transform(options.augmentation))
    batches = scene_batches(scenes, options.training, options.seed, fabric)
    weights = options.loss_weights.model_dump()
    history = train(fabric, DetectorTask(network), batches, options.training, weights, report, checkpoints)
    return network.eval(), history


def scene_batches(scenes: TrainingScenes, training: TrainingOptions, seed: int, fabric: Fabric) -> Batches:
    """Return what gives this device's share of each batch. Raises `UserError` where there is none to give."""
    if not len(scenes):
        raise UserError("the training split has no scenes; see `person-search check-data`")
    if training.batch_size < fabric.world_size:
        raise UserError(f"a batch of {training.batch_size} cannot be shared by {fabric.world_size} devices")

    def after(done: int) -> Iterator[SceneBatch]:
        share = fabric.global_rank, fabric.world_size
        sampler = ShuffledBatches(len(scenes), training.batch_size, training.steps, seed, *share, done)
        return scene_loader(scenes, sampler, data_workers())

    return after
