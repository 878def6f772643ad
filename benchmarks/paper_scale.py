"""The trainings of a preset, to be timed: students, teachers, torchvision's network; on drawn pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from benchmarks.drawn import draw_data
from benchmarks.torchvision_detector import TimedTorchvision
from benchmarks.training import PEOPLE, Timed, TimedStudent
from pipeline.basics.options import merged
from pipeline.batches.loading import CropBatch, SceneBatch, TrainingCrops, TrainingScenes, crop_batches
from pipeline.batches.samplers import IdentityBatches
from pipeline.batches.transforms import crop_transform, scene_transform
from pipeline.devices import data_workers, seed_everything
from pipeline.losses.reid import ReidLoss
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import UNLABELLED, Scene
from pipeline.training.detector import DetectorTask, DetectorTrainingOptions, device_batches
from pipeline.training.reid import ReidTask, ReidTrainingOptions
from pipeline.training.student.options import StudentOptions
from stages.support.parameters import Parameters, read_parameters

PAPER_SCALE = Path("presets/paper_scale.yaml")
DETECTOR, REID = "train_detector", "train_reid"
TORCHVISION = "torchvision "
"""What stands before a student's name where torchvision's network with its parts is meant."""
UNTRAINED = {"network": {"backbone": {"weights": "none"}}}
IDENTITIES = 5532
"""Of CUHK-SYSU: rows of a table, and class vectors of the re-ID teacher."""
SCENES = 24
CROPS_AN_IDENTITY = 4

Trained = Timed | TimedTorchvision
Options = StudentOptions | DetectorTrainingOptions | ReidTrainingOptions


def trainings(preset: Path) -> list[str]:
    """Return the names of a preset's students and teachers, in the order of the file."""
    return [*read_parameters(preset)["students"], DETECTOR, REID]


def references(preset: Path) -> dict[str, str]:
    """Return by student the reference that it is compared with: torchvision's network of the same parts."""
    first: dict[str, str] = {}
    found = {}
    for student in read_parameters(preset)["students"]:
        network = options_of(preset, student).network.model_dump_json()
        found[student] = TORCHVISION + first.setdefault(network, student)
    return found


def options_of(preset: Path, name: str, changes: Mapping[str, Any] | None = None) -> Options:
    """Return what a training depends on; its backbone starts from scratch, which needs no file.

    Args:
        preset: the params.yaml.
        name: one of `trainings`, or `torchvision STUDENT`.
        changes: what differs.
    """
    changes = merged(UNTRAINED, dict(changes or {}))
    student = f"students.{name.removeprefix(TORCHVISION)}"
    own = () if name in (DETECTOR, REID) else (student,)
    parameters = Parameters(("network", DETECTOR, REID, "train_student", *own), preset)
    if name == DETECTOR:
        return parameters.options(DETECTOR, DetectorTrainingOptions, changes=changes)
    if name == REID:
        return parameters.options(REID, ReidTrainingOptions, changes=changes)
    return parameters.options("train_student", StudentOptions, student, changes)


def build(preset: Path, name: str, fabric: Fabric, changes: Mapping[str, Any] | None = None) -> Trained:
    """Set up a training, as its stage does; its arguments are those of `options_of`."""
    options = options_of(preset, name, changes)
    if isinstance(options, ReidTrainingOptions):
        seed_everything(options.seed)
        loss = ReidLoss(options.loss, IDENTITIES, options.network.embedding_dim)
        return Timed(fabric, ReidTask(ReidModel(options.network), loss), options, {})
    if isinstance(options, DetectorTrainingOptions):
        seed_everything(options.seed)
        weights = options.loss_weights.model_dump()
        return Timed(fabric, DetectorTask(Detector(options.network)), options, weights)
    if name.startswith(TORCHVISION):
        seed_everything(options.seed)
        return TimedTorchvision(options, fabric)
    return TimedStudent(name, fabric, preset, merged(UNTRAINED, dict(changes or {})), IDENTITIES)


def drawn_batches(
    options: Options, fabric: Fabric, folder: Path, batches: int
) -> Iterator[SceneBatch] | Iterator[CropBatch]:
    """Yield batches as a training gets them, decoded and changed in processes beside it.

    Args:
        options: the training's. Scenes are as large as its network takes them, crops too.
        fabric: where it trains.
        folder: where the pictures are written.
        batches: how many batches.
    """
    shard = folder / f"{fabric.global_rank}.h5"
    if isinstance(options, ReidTrainingOptions):
        return _crops(options, fabric, shard, batches)
    return _scenes(options, fabric, shard, batches)


def _scenes(
    options: StudentOptions | DetectorTrainingOptions, fabric: Fabric, shard: Path, batches: int
) -> Iterator[SceneBatch]:
    width, height = size = options.network.long_side, options.network.short_side
    rng = np.random.default_rng(1)
    scenes = []
    for number in range(SCENES):
        tall = rng.uniform(0.25, 0.65, (PEOPLE, 1)) * height
        extent = np.concatenate([0.45 * tall, tall], axis=1)
        corner = rng.uniform(0, 1, (PEOPLE, 2)) * ([width, height] - extent)
        people = np.arange(number, number + PEOPLE)
        people[-1] = UNLABELLED
        scenes.append(Scene(f"{number}.jpg", np.concatenate([corner, corner + extent], axis=1), people))
    drawn = TrainingScenes(
        *draw_data(shard, size, scenes, SCENES + PEOPLE), scene_transform(options.augmentation)
    )
    changes = {"steps": batches, "accumulate": 1}
    training = options.training.model_copy(update=changes)
    return iter(device_batches(drawn, training, options.seed, fabric)(0))


def _crops(options: ReidTrainingOptions, fabric: Fabric, shard: Path, batches: int) -> Iterator[CropBatch]:
    network, identities = options.network, options.training.batch_size // options.crops_per_identity
    width, height = size = network.crop_width, network.crop_height
    box = np.array([[0.0, 0.0, width, height]])
    crops = [
        Scene(f"{number}.jpg", box, np.array([number // CROPS_AN_IDENTITY]))
        for number in range(2 * identities * CROPS_AN_IDENTITY)
    ]
    transform = crop_transform(options.augmentation, height, width)
    drawn = TrainingCrops(*draw_data(shard, size, crops, 2 * identities), transform)
    sampler = IdentityBatches(drawn.person_ids, identities, options.crops_per_identity, batches, options.seed)
    return crop_batches(drawn, sampler, data_workers(), fabric.device)
