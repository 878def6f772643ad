"""What an exported student costs on the CPU beside PyTorch, and what float16 and int8 lose.

Run as `python -m benchmarks.onnx` after `dvc repro`. The network is a student of params.yaml. PyTorch and
ONNX Runtime take turns, picture by picture, with the same number of threads. `--accuracy` scores each file on
all test scenes by the data set's protocol.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from person_search.export.exporting import export_network
from person_search.networks.exported_file import Precision
from person_search.networks.network import FoundPeople, Picture, SearchNetwork
from person_search.networks.onnx_network import OnnxNetwork
from person_search.networks.torch_network import TorchNetwork
from pipeline.basics.environment_variables import cpu_threads
from pipeline.batches.pictures import decode
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import SceneResult, assemble, given_boxes
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.scenes.shards import ImageShards
from stages.support.parameters import PARAMETERS, Parameters, read_parameters
from stages.support.paths import PREPARED, student_weights

PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8")
MOST_PIXELS, MOST_SCORE, LEAST_COSINE = 1e-2, 1e-4, 0.9999
"""How far float32 may be from PyTorch: boxes, scores, embeddings."""
SPLIT = "test"
PARAMS = ("infer", "evaluate")


@click.command()
@click.option("--student", help="Which student; the first of params.yaml where it is left out.")
@click.option("--pictures", default=40, show_default=True, help="Test scenes that are timed.")
@click.option("--accuracy", is_flag=True, help="Score PyTorch and each file on all test scenes besides.")
def main(student: str | None, pictures: int, accuracy: bool) -> None:
    """Time one student in PyTorch and in ONNX; exit code 1 if float32 does not find the same."""
    weights = student_weights(student or next(iter(read_parameters(PARAMETERS)["students"])))
    data = open_prepared(PREPARED)
    shown = [pixels(data.images(SPLIT), scene) for scene in range(pictures)]
    torch.set_num_threads(cpu_threads())
    with tempfile.TemporaryDirectory() as folder:
        networks: dict[str, SearchNetwork] = {"PyTorch": TorchNetwork(weights, torch.device("cpu"))}
        for precision in PRECISIONS:
            path = Path(folder) / f"{precision}.onnx"
            calibration = PREPARED if precision == "int8" else None
            export_network(weights, path, precision=precision, calibration=calibration)
            networks[f"ONNX {precision}"] = OnnxNetwork(path)
            click.echo(f"ONNX {precision}: {path.stat().st_size / 1e6:.2f} MB")
    found = time_all(networks, shown)
    check_same(found["PyTorch"], found["ONNX float32"])
    if accuracy:
        for name, network in networks.items():
            click.echo(f"{name}: {scored(network, data)}")


def pixels(images: ImageShards, scene: int) -> Picture:
    """Return a scene, uint8 `[h, w, 3]`."""
    return decode(images[scene]).permute(1, 2, 0).contiguous().numpy()


def time_all(networks: Mapping[str, SearchNetwork], shown: Sequence[Picture]) -> dict[str, list[FoundPeople]]:
    """Print what a picture costs each network, and return what each finds."""
    found: dict[str, list[FoundPeople]] = {name: [] for name in networks}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for network in networks.values():
        network.detect(shown[:2])  # the first run prepares memory
    for picture in shown:
        for name, network in networks.items():
            start = time.perf_counter()
            found[name] += network.detect([picture])
            seconds[name].append(time.perf_counter() - start)
    plain = statistics.median(seconds["PyTorch"])
    for name, own in seconds.items():
        median = statistics.median(own)
        click.echo(f"{name}: {1000 * median:.1f} ms a picture, {plain / median:.2f} times PyTorch's speed")
    return found


def check_same(expected: Sequence[FoundPeople], found: Sequence[FoundPeople]) -> None:
    """Check that two networks find the same people, in the same order.

    Raises:
        ClickException: they do not.
    """
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        if len(one.scores) != len(other.scores):
            raise click.ClickException(f"picture {number}: {len(one.scores)} people and {len(other.scores)}")
        boxes = np.abs(one.boxes - other.boxes).max(initial=0)
        scores = np.abs(one.scores - other.scores).max(initial=0)
        cosine = (one.embeddings * other.embeddings).sum(axis=1).min(initial=1)
        if boxes > MOST_PIXELS or scores > MOST_SCORE or cosine < LEAST_COSINE:
            raise click.ClickException(
                f"picture {number}: boxes differ by {boxes:.4f} pixels, scores by {scores:.6f}; "
                f"the least cosine is {cosine:.6f}"
            )
    click.echo(f"the same {sum(len(people.scores) for people in found)} people in PyTorch and in float32")


def scored(network: SearchNetwork, data: PreparedDataSet) -> str:
    """Return search mAP and top-1, and the detector's AP, of all test scenes."""
    parameters = Parameters(PARAMS)
    split, images = data.split(SPLIT), data.images(SPLIT)
    results = [
        scene_result(network, pixels(images, scene), boxes.astype(np.float32))
        for scene, boxes in enumerate(given_boxes(split))
    ]
    detections = assemble(split, results, parameters.options("infer", InferenceOptions).context_threshold)
    metrics = evaluate(split, detections, parameters.options("evaluate", EvaluationOptions), data.name)
    search, detection = metrics["search"], metrics["detection"]
    return (
        f"search mAP {100 * search['mAP']:.2f}, top-1 {100 * search['top1']:.2f}; "
        f"AP {100 * detection['ap']:.2f}, COCO AP50 {100 * detection['coco_ap50']:.2f}"
    )


def scene_result(network: SearchNetwork, picture: Picture, boxes: npt.NDArray[np.float32]) -> SceneResult:
    """Return what a network finds in a scene, and the embeddings of boxes in it."""
    (found,) = network.detect([picture])
    detections = np.concatenate([found.boxes, found.scores[:, None]], axis=1)
    return SceneResult(detections, found.embeddings, network.embed(picture, boxes))


if __name__ == "__main__":
    main()
