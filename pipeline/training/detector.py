"""Training of a detector: the four detection losses and nothing else."""

from collections.abc import Callable, Iterator, Mapping

from lightning_fabric import Fabric
from pydantic import Field
from torch import Tensor, nn

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.basics.progress import TrainingProgress
from pipeline.batches.loading import SceneBatch, Share, TrainingScenes, scene_batches
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.devices import data_workers, make_fabric, seed_everything
from pipeline.models.detector import DetectionStep, Detector, DetectorOptions
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import Point
from pipeline.training.engine.loop import Batches, train
from pipeline.training.engine.optimisation import NetworkTrainingOptions, TrainingOptions
from pipeline.training.joint_draws import sharing_draws


class DetectionWeights(Options):
    """Factors on the four losses of Faster R-CNN; 1 each in OIM."""

    rpn_objectness: float = Field(default=1.0, ge=0)
    rpn_box: float = Field(default=1.0, ge=0)
    roi_class: float = Field(default=1.0, ge=0)
    roi_box: float = Field(default=1.0, ge=0)


class DetectorTrainingOptions(NetworkTrainingOptions):
    """Everything that a detector's training depends on but the data."""

    network: DetectorOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    loss_weights: DetectionWeights = DetectionWeights()


class DetectorTask:
    """A detector in training mode."""

    forward_method = "detection_step"
    stateful: Mapping[str, nn.Module] = {}

    def __init__(self, network: Detector) -> None:
        self.network = network
        self._counts: dict[str, int] = {}

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Return the four detection losses of a batch."""
        step: DetectionStep = self.network.detection_step(batch.images, batch.targets)
        self._counts = detection_counts(step)
        return step.losses

    def counts(self) -> Mapping[str, int]:
        """Return how many anchors and RoIs were sampled, for each loss."""
        return self._counts

    def after_batch(self) -> None:
        """Nothing is due."""


def detection_counts(step: DetectionStep) -> dict[str, int]:
    """Return how many anchors or RoIs each detection loss is a mean over."""
    anchors, rois = len(step.anchors.labels), len(step.rois.labels)
    return {"rpn_objectness": anchors, "rpn_box": anchors, "roi_class": rois, "roi_box": rois}


def train_detector(
    data: PreparedDataSet,
    options: DetectorTrainingOptions,
    progress: TrainingProgress,
    checkpoints: Checkpoints | None = None,
) -> tuple[Detector, list[Point]]:
    """Train a detector on the `train` split; return it and the history of its losses."""
    fabric = make_fabric(options.training.precision)
    seed_everything(options.seed)
    network = Detector(options.network)
    scenes = TrainingScenes(data.split("train"), data.images("train"), scene_transform(options.augmentation))
    batches = device_batches(scenes, options.training, options.seed, fabric)
    weights = options.loss_weights.model_dump()
    with sharing_draws(network):
        history = train(
            fabric, DetectorTask(network), batches, options.training, weights, progress, checkpoints
        )
    return network.eval(), history


def device_batches(
    scenes: TrainingScenes,
    training: TrainingOptions,
    seed: int,
    fabric: Fabric,
    yielded: Callable[..., Iterator[SceneBatch]] = scene_batches,
) -> Batches:
    """Return what gives this device's share of each batch.

    Args:
        scenes: the training scenes.
        training: how long and how many at a time.
        seed: of the order, and of random changes.
        fabric: the devices.
        yielded: `scene_batches`, or `pair_batches` for a network that is trained on pairs.

    Raises:
        UserError: a batch has less than one for each device.
    """
    if training.batch_size < fabric.world_size:
        raise UserError(
            f"a batch of {training.batch_size} cannot be shared by {fabric.world_size} devices; set "
            f"training.batch_size to {fabric.world_size} or more, and training.accumulate lower by as much"
        )
    share = Share(fabric.global_rank, fabric.world_size)
    batches = training.accumulate  # a step
    return lambda done: yielded(
        scenes,
        training.batch_size,
        training.steps * batches,
        seed,
        share,
        done * batches,
        data_workers(),
        fabric.device,
    )
