"""What an image costs in time: each student and the teachers, one scene at a time, in turns.

Run as `python -m benchmarks.inference` after `dvc repro`. It writes `results/speed.json`, which the table of
results shows. A scene is in memory as a picture; resizing it, and finding and embedding everybody, is timed.
"""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor

from pipeline.devices import make_fabric
from pipeline.inference.cost import count_parameters
from pipeline.inference.students import picture
from pipeline.inference.two_step import embed_boxes
from pipeline.models.detector import Detector
from pipeline.models.heads import load_student
from pipeline.models.reid import ReidModel
from pipeline.reporting.speed import Speed, Timing, write_speed
from pipeline.reporting.summary import TEACHERS, read_summary
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from stages.support.paths import DETECTOR, PREPARED, REID, student_weights

SCENES = 8
WARM_UP = 2
Run = Callable[[Tensor], object]


@click.command()
@click.option("--rounds", default=10, show_default=True, help=f"Counted rounds over {SCENES} scenes.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed.json"), show_default=True)
def main(rounds: int, out: Path) -> None:
    """Time each student and the teachers, and write the medians."""
    fabric = make_fabric()
    networks = _networks(fabric.device)
    scenes = _scenes(open_prepared(PREPARED), fabric.device)
    times: dict[str, list[float]] = {name: [] for name in networks}
    for number in range(WARM_UP + rounds):
        for scene in scenes:
            for name, (run, _parameters) in networks.items():
                start = time.perf_counter()
                run(scene)
                if scene.is_cuda:
                    torch.cuda.synchronize()
                if number >= WARM_UP:
                    times[name].append(1000 * (time.perf_counter() - start))
    timings = {
        name: Timing(milliseconds=round(statistics.median(times[name]), 1), parameters=parameters)
        for name, (_run, parameters) in networks.items()
    }
    write_speed(out, Speed(machine=_machine(fabric.device), timings=timings))
    for name, timing in timings.items():
        click.echo(f"{name}: {timing.milliseconds:.1f} ms an image (median of {rounds * SCENES})")


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
        "det. teacher": (detect, of_detector),
        "both teachers": (both, of_detector + count_parameters(reid)),
    }
    for name in read_summary(Path("results/summary.json")):
        if name != TEACHERS:
            student = load_student(student_weights(name)).to(device)
            nothing = [torch.zeros(0, 4, device=device)]
            runs[name] = (
                lambda scene, student=student, nothing=nothing: student.search([scene], nothing),  # type: ignore[misc]
                count_parameters(student),
            )
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
