"""What loading costs: pictures a second of a data process, and how much of an inference the network takes.

Run as `python -m benchmarks.loading` (part of `make bench-full`). It needs no data: scenes have the sizes of
PRW and CUHK-SYSU, and crops the size of CUHK-SYSU's; all are drawn. The networks are those of
`presets/paper_scale.yaml` with random weights.
"""

import math
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from torch import nn

from benchmarks.drawn import PICTURES, Data, draw_data
from benchmarks.paper_scale import PAPER_SCALE, UNTRAINED
from pipeline.batches.loading import Share, TrainingCrops, TrainingScenes, crop_batches, scene_batches
from pipeline.batches.samplers import ShuffledBatches
from pipeline.batches.transforms import AugmentationOptions, crop_transform, scene_transform
from pipeline.devices import WORKERS_VARIABLE, make_fabric
from pipeline.inference.crops import embed_crops
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_scenes
from pipeline.models.heads import build_student
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import Scene
from pipeline.training.reid import ReidTrainingOptions
from pipeline.training.student.options import StudentOptions
from stages.support.parameters import PARAMETERS, Parameters

OF_STUDENT = "students.baseline"
PRW, CUHK_SYSU, CROP = (1920, 1080), (800, 600), (90, 220)
"""Width and height in pixels."""
SMALL, SMALL_CROP = (288, 192), (40, 90)
"""The same of the default data set."""
CROP_BATCH = 64
WANTED = 40
"""Scenes a second that a GPU takes."""
SHARE_WANTED = 0.85
"""Of the wall time of an inference, in the network."""
FLIP = AugmentationOptions(flip=0.5)
COLOURS = AugmentationOptions(flip=0.5, brightness=0.2, contrast=0.2, saturation=0.2)


class Rate(NamedTuple):
    """What one data process does: pictures a second, its own milliseconds a picture, and what it sends."""

    pictures: float
    milliseconds: float


@click.command()
@click.option("--batches", default=100, show_default=True, help="Batches that a data process loads.")
@click.option("--scenes", default=8, show_default=True, help="Scenes that are searched.")
@click.option("--crops", default=128, show_default=True, help="Crops that are embedded.")
@click.option("--rounds", default=2, show_default=True, help="Of each inference with and without a process.")
def main(batches: int, scenes: int, crops: int, rounds: int) -> None:
    """Time the loading of a training, and an inference and an export with and without a data process."""
    device = make_fabric().device
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (PRW, CUHK_SYSU):
            _scenes(_drawn(folder, size), size, batches, device)
        _crops(_drawn(folder, CROP), batches, device)
        shares = [
            _search(PAPER_SCALE, _drawn(folder, CUHK_SYSU, scenes), rounds, device),
            _export(PAPER_SCALE, _drawn(folder, CROP, crops), rounds, device),
            _search(PARAMETERS, _drawn(folder, SMALL, 40 * scenes), rounds, device),
            _export(PARAMETERS, _drawn(folder, SMALL_CROP, 20 * crops), rounds, device),
        ]
    if min(shares) < SHARE_WANTED:
        raise click.ClickException(f"the network has less than {SHARE_WANTED:.0%} of an inference's time")


def _scenes(data: Data, size: tuple[int, int], batches: int, device: torch.device) -> None:
    """Time the loading of a training's scenes, one a batch."""
    for name, augmentation in {"flips": FLIP, "flips and colours": COLOURS}.items():
        training = TrainingScenes(*data, scene_transform(augmentation))
        rate = _rate(scene_batches(training, 1, batches, 0, Share(), 0, 1, device), batches)
        click.echo(
            f"scenes of {size[0]} x {size[1]}, {name}: one process gives {rate.pictures:.1f} a second "
            f"({rate.milliseconds:.1f} ms of a core each, {math.prod(size) * 3 / 1e6:.1f} MB sent); "
            f"{WANTED} a second need {math.ceil(WANTED / rate.pictures)}"
        )


def _drawn(folder: Path, size: tuple[int, int], count: int = PICTURES) -> Data:
    """Draw pictures of a size, some of them again and again, with one labelled person in each."""
    boxes = np.array([[size[0] * 0.1, size[1] * 0.1, size[0] * 0.3, size[1] * 0.9]])
    scenes = [Scene(f"{number}.jpg", boxes, np.array([number])) for number in range(count)]
    return draw_data(folder / f"{size[0]}-{count}.h5", size, scenes, count)


def _rate(batches: Iterator[Any], count: int, pictures: int = 1) -> Rate:
    """Take batches of `pictures` from one data process as fast as they come."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    next(batches)  # the process has started
    start = time.perf_counter()
    for _batch in batches:
        pass
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Rate((count - 1) * pictures / seconds, 1000 * own / (count * pictures))


def _crops(crops: Data, batches: int, device: torch.device) -> None:
    """Time the loading of a re-ID training's batches."""
    options = Parameters(("train_reid",), PAPER_SCALE).options("train_reid", ReidTrainingOptions)
    size = options.network.crop_height, options.network.crop_width
    training = TrainingCrops(*crops, crop_transform(options.augmentation, *size))
    count = max(2, batches // 4)
    sampler = ShuffledBatches(PICTURES, CROP_BATCH, count, 0)
    rate = _rate(crop_batches(training, sampler, 1, device), count, CROP_BATCH)
    click.echo(
        f"crops of {size[1]} x {size[0]}: one process gives {rate.pictures:.0f} a second "
        f"({rate.milliseconds:.2f} ms of a core each)"
    )


def _search(path: Path, data: Data, rounds: int, device: torch.device) -> float:
    """Return the share of a student's run that is in the network."""
    parameters = Parameters(("network", "train_student", "infer", OF_STUDENT), path)
    options = parameters.options("train_student", StudentOptions, OF_STUDENT, UNTRAINED)
    network = build_student(options.network).eval()
    batch_size = parameters.options("infer", InferenceOptions).batch_size

    def run() -> object:
        return search_scenes(network, *data, batch_size=batch_size, device=device, progress=_silent)

    return _in_network(f"{path}: infer, {len(data[0].scenes)} scenes", network, "search", run, rounds)


def _export(path: Path, data: Data, rounds: int, device: torch.device) -> float:
    """Return the share of a table's export that is in the network."""
    options = Parameters(("train_reid",), path).options("train_reid", ReidTrainingOptions, changes=UNTRAINED)
    model = ReidModel(options.network).eval()

    def run() -> object:
        return embed_crops(model, *data, CROP_BATCH, device, _silent)

    return _in_network(f"{path}: export_lut, {len(data[0].scenes)} crops", model, "forward", run, rounds)


def _in_network(what: str, network: nn.Module, method: str, run: Callable[[], object], rounds: int) -> float:
    """Run an inference in turns with and without a data process; return the median share with one.

    Args:
        what: names it.
        network: the network.
        method: its method that is timed.
        run: runs the whole inference.
        rounds: how often.
    """
    inside, plain = [0.0], getattr(network, method)

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = plain(*arguments)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        inside[0] += time.perf_counter() - start
        return result

    setattr(network, method, timed)
    walls: dict[int, list[float]] = {0: [], 1: []}
    shares: dict[int, list[float]] = {0: [], 1: []}
    for number in range(rounds + 1):
        for workers in (0, 1) if number % 2 else (1, 0):
            os.environ[WORKERS_VARIABLE] = str(workers)
            inside[0], start = 0.0, time.perf_counter()
            run()
            wall = time.perf_counter() - start
            if number:  # the first round warms up
                walls[workers].append(wall)
                shares[workers].append(inside[0] / wall)
    for workers, found in shares.items():
        click.echo(
            f"{what}, {workers} data processes: {statistics.median(walls[workers]):.2f} s, "
            f"{statistics.median(found):.1%} in the network ({min(found):.1%} to {max(found):.1%})"
        )
    return statistics.median(shares[1])


def _silent(_done: int, _total: int) -> None:
    """Report no progress."""


if __name__ == "__main__":
    main()
