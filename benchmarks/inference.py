"""What an image costs in time: each student and the teachers, one scene at a time, in turns.

Run as `python -m benchmarks.inference` after `dvc repro`. It writes `results/speed.json`, which the table of
results shows. A scene is in memory as a picture; resizing it, and finding and embedding everybody, is timed.

Then it times what the first student's embeddings cost beside torchvision's detection with the same parts: at
final boxes, and at proposals, where they should cost next to nothing.
"""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click
import torch
from torch import Tensor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from pipeline.devices import make_fabric
from pipeline.inference.cost import count_parameters
from pipeline.inference.students import picture
from pipeline.inference.two_step import embed_boxes
from pipeline.models.detector import Detector
from pipeline.models.heads import build_student, load_student
from pipeline.models.person_search import EmbedAt, PersonSearchNetwork
from pipeline.models.reid import ReidModel
from pipeline.reporting.speed import Speed, Timing, write_speed
from pipeline.reporting.summary import TEACHERS, read_summary
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from stages.support.paths import DETECTOR, PREPARED, REID, student_weights

SCENES = 8
WARM_UP = 2
ALLOWED_AT_PROPOSAL = 1.05
"""Of the time of a search that embeds at proposals to that of torchvision's detection alone."""
ALONE, AT_PROPOSAL, AT_FINAL_BOX = "torchvision's detection alone", "at proposals", "at final boxes"
TEACHER_LINES = DETECTOR_LINE, BOTH_LINE = "det. teacher", "both teachers"
Run = Callable[[Tensor], object]


@click.command()
@click.option("--rounds", default=10, show_default=True, help=f"Counted rounds over {SCENES} scenes.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed.json"), show_default=True)
def main(rounds: int, out: Path) -> None:
    """Time each student and the teachers, and write the medians; exit code 1 if embeddings cost too much."""
    fabric = make_fabric()
    networks = _networks(fabric.device)
    scenes = _scenes(open_prepared(PREPARED), fabric.device)
    times = _times({name: run for name, (run, _parameters) in networks.items()}, scenes, rounds)
    timings = {
        name: Timing(milliseconds=round(statistics.median(times[name]), 1), parameters=parameters)
        for name, (_run, parameters) in networks.items()
    }
    write_speed(out, Speed(machine=_machine(fabric.device), timings=timings))
    for name, timing in timings.items():
        click.echo(f"{name}: {timing.milliseconds:.1f} ms an image (median of {rounds * SCENES})")
    _compare_embeddings(next(name for name in timings if name not in TEACHER_LINES), scenes, rounds)


def _times(runs: Mapping[str, Run], scenes: list[Tensor], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each run by name, scene by scene; the runs take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(WARM_UP + rounds):
        for scene in scenes:
            for name, run in runs.items():
                start = time.perf_counter()
                run(scene)
                if scene.is_cuda:
                    torch.cuda.synchronize()
                if number >= WARM_UP:
                    times[name].append(1000 * (time.perf_counter() - start))
    return times


def _compare_embeddings(name: str, scenes: list[Tensor], rounds: int) -> None:
    """Time a student's searches beside torchvision's detection, in turns.

    Raises:
        ClickException: a search that embeds at proposals takes longer than it is allowed.
    """
    device = scenes[0].device
    student = load_student(student_weights(name)).to(device)
    detection = GeneralizedRCNN(student.stem, student.rpn, student.roi_heads, student.transform).eval()
    nothing = [torch.zeros(0, 4, device=device)]
    runs: dict[str, Run] = {
        ALONE: torch.no_grad()(lambda scene: detection([scene])),
        AT_PROPOSAL: partial(_search, _embedding(student, "proposal"), nothing),
        AT_FINAL_BOX: partial(_search, _embedding(student, "final_box"), nothing),
    }
    times = _times(runs, scenes, rounds)
    ratios = {
        run: statistics.median(own / alone for own, alone in zip(times[run], times[ALONE], strict=True))
        for run in runs
    }
    for run, ratio in ratios.items():
        allowed = f", allowed {ALLOWED_AT_PROPOSAL}" if run == AT_PROPOSAL else ""
        click.echo(
            f"{name}, {run}: {statistics.median(times[run]):.1f} ms an image, {ratio:.3f} of {ALONE} "
            f"(median of pairs{allowed})"
        )
    if ratios[AT_PROPOSAL] > ALLOWED_AT_PROPOSAL:
        raise click.ClickException(f"embeddings at proposals take {ratios[AT_PROPOSAL]:.3f} of {ALONE}")


def _embedding(student: PersonSearchNetwork, at: EmbedAt) -> PersonSearchNetwork:
    """Return the same student, embedding elsewhere."""
    network = build_student(student.options.model_copy(update={"embed_at": at})).eval()
    network.load_state_dict(student.state_dict())
    return network.to(next(student.parameters()).device)


def _search(student: PersonSearchNetwork, nothing: list[Tensor], scene: Tensor) -> None:
    student.search([scene], nothing)


def _networks(device: torch.device) -> dict[str, tuple[Run, float]]:
    """Return by line of the table what runs it on a scene, and its number of parameters."""
    detector = Detector.load(DETECTOR).to(device)
    reid = ReidModel.load(REID).to(device)

    def detect(scene: Tensor) -> Tensor:
        return detector.detect([scene])[0]["boxes"]

    def both(scene: Tensor) -> None:
        embed_boxes(reid, scene, list(detect(scene).double().cpu().numpy()))

    of_detector = count_parameters(detector)
    runs: dict[str, tuple[Run, float]] = {
        DETECTOR_LINE: (detect, of_detector),
        BOTH_LINE: (both, of_detector + count_parameters(reid)),
    }
    for name in read_summary(Path("results/summary.json")):
        if name != TEACHERS:
            student = load_student(student_weights(name)).to(device)
            nothing = [torch.zeros(0, 4, device=device)]
            runs[name] = (partial(_search, student, nothing), count_parameters(student))
    return runs


def _scenes(data: PreparedDataSet, device: torch.device) -> list[Tensor]:
    images = data.images("test")
    return [picture(images, index, device) for index in range(min(SCENES, len(data.split("test").scenes)))]


def _machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return f"{name}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"


def _processor() -> str:
    """Return what the processor calls itself."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
