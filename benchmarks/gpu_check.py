"""What a device does with this project: the CPU's numbers, equal runs, and the speed at the paper's scale.

Run as `python -m benchmarks.gpu_check` (`make gpu-check`). It needs no data. On a machine without CUDA it
does what can be done on the CPU, in few steps. The file that it writes has all numbers, for a report.
"""

import json
import math
import resource
import statistics
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor

from benchmarks.training import IDENTITIES, PEOPLE, TimedStudent, batch_of
from pipeline.batches.loading import SceneBatch, TrainingScenes
from pipeline.batches.transforms import scene_transform
from pipeline.devices import DETERMINISTIC_VARIABLE, make_fabric, placement
from pipeline.scenes.scene import Scene, Split
from pipeline.training.detector import device_batches
from pipeline.training.engine.environment import environment
from stages.support.parameters import read_parameters

PAPER_SCALE = Path("presets/paper_scale.yaml")
DEFAULT = Path("params.yaml")
PRECISIONS = ("32-true", "bf16-mixed")
ALLOWED = {"32-true": 1e-3, "bf16-mixed": 0.05}
"""Relative difference of the total loss to the CPU's in float32."""
GPU_STEPS, CPU_STEPS = 50, 2
EVERYTHING = 100_000
"""So many anchors and RoIs are sampled, that is all: no device draws others."""
SCENES, SCENE_SIZE = 24, (800, 600)


class Line(NamedTuple):
    """One line of the result: what was looked at, what came out, and whether it is as it should be."""

    what: str
    result: str
    right: bool = True


@click.command()
@click.option("--steps", type=click.IntRange(min=1), help=f"A student; {GPU_STEPS}, on the CPU {CPU_STEPS}.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("gpu-check.json"), show_default=True)
@click.option("--students", default="baseline,kd_both", show_default=True, help="Which students are timed.")
def main(steps: int | None, out: Path, students: str) -> None:
    """Compare the device with the CPU and time the students; exit code 1 if something is wrong."""
    place = placement()
    count = steps or (GPU_STEPS if place.device == "cuda" else CPU_STEPS)
    numbers: dict[str, Any] = {"environment": environment(make_fabric().device), "placement": place._asdict()}
    lines: list[Line] = []
    for precision in PRECISIONS:
        lines.append(_parity(precision, numbers))
        click.echo(_shown(lines[-1]))
    lines.append(_equal_runs(numbers))
    click.echo(_shown(lines[-1]))
    for name in students.split(","):
        for precision in PRECISIONS if place.device == "cuda" else PRECISIONS[:1]:
            lines.append(_speed(name, precision, count, numbers))
            click.echo(_shown(lines[-1]))
    out.write_text(json.dumps(numbers, indent=2, sort_keys=True) + "\n")
    click.echo(f"{out}: all numbers")
    if not all(line.right for line in lines):
        raise click.ClickException("the device is not as it should be; attach the file above to a report")


def _shown(line: Line) -> str:
    return f"{'ok   ' if line.right else 'WRONG'} {line.what}: {line.result}"


def _parity(precision: str, numbers: dict[str, Any]) -> Line:
    """Compare losses and gradients of one step with those of the CPU in float32, for equal weights."""
    reference = _one_step(Fabric(accelerator="cpu", devices=1), "32-true")
    own = _one_step(make_fabric(precision), precision)
    difference = abs(own[0] - reference[0]) / abs(reference[0])
    angle = float(torch.nn.functional.cosine_similarity(own[1], reference[1], dim=0))
    numbers[f"parity {precision}"] = {"loss": difference, "gradient cosine": angle}
    right = difference <= ALLOWED[precision] and angle >= 1 - ALLOWED[precision]
    text = (
        f"loss differs by {difference:.1e} of itself (allowed {ALLOWED[precision]:g}), "
        f"gradients' cosine {angle:.6f}"
    )
    return Line(f"one step in {precision} beside the CPU's in float32", text, right)


def _one_step(fabric: Fabric, precision: str) -> tuple[float, Tensor]:
    """Return the total loss and all gradients of the default run's `kd_both`, without any draw."""
    torch.manual_seed(0)
    changes = {
        "network": {
            "rpn": {"sampled_anchors": EVERYTHING},
            "roi": {"sampled_rois": EVERYTHING},
        },
        "training": {"precision": precision},
    }
    student = TimedStudent("kd_both", fabric, DEFAULT, changes)
    batch: SceneBatch = fabric.to_device(batch_of(student.options, 0))
    with fabric.autocast():
        losses = student.task.losses(batch)
    weights = student.options.weights()
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    total.backward()
    found = (parameter.grad for parameter in student.task.network.parameters())
    gradients = torch.cat([gradient.flatten().double().cpu() for gradient in found if gradient is not None])
    return total.item(), gradients


def _equal_runs(numbers: dict[str, Any]) -> Line:
    """Train twice from one seed, and compare the weights."""
    runs = []
    for _ in range(2):
        student = TimedStudent("kd_both", make_fabric(), DEFAULT)
        for seed in range(3):
            student.step(batch_of(student.options, seed))
        runs.append(torch.cat([p.detach().flatten().cpu() for p in student.task.network.parameters()]))
    equal = torch.equal(*runs)
    numbers["equal runs"] = equal
    promised = placement().deterministic
    text = f"{'the same bits' if equal else 'other bits'}; {'' if promised else 'not '}promised"
    hint = "" if promised else f" ({DETERMINISTIC_VARIABLE}=1 promises it)"
    return Line("two runs of three steps", text + hint, equal or not promised)


def _speed(name: str, precision: str, steps: int, numbers: dict[str, Any]) -> Line:
    """Train a student of the paper's scale on drawn scenes."""
    changes = {"training": {"precision": precision}, "network": {"backbone": {"weights": "none"}}}
    fabric = make_fabric(precision)
    student = TimedStudent(name, fabric, PAPER_SCALE, changes)
    waiting, working = [], []
    if fabric.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    batches = _batches(student, steps + 1, fabric)
    for number in range(steps + 1):
        start = time.perf_counter()
        batch = next(batches)
        between = time.perf_counter()
        student.step(batch)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize()
        if number:  # the first one warms up
            waiting.append(between - start)
            working.append(time.perf_counter() - between)
    seconds = statistics.median(working)
    training = read_parameters(PAPER_SCALE)["train_student"]["training"]
    scenes = training["batch_size"] / seconds
    hours = training["steps"] * training.get("accumulate", 1) * (seconds + statistics.median(waiting)) / 3600
    memory = _peak_gib(fabric)
    share = sum(waiting) / (sum(waiting) + sum(working))
    numbers[f"speed {name} {precision}"] = {
        "scenes a second": scenes,
        "peak GiB": memory,
        "share of waiting": share,
        "hours of the preset": hours,
        "steps": steps,
    }
    text = (
        f"{scenes:.2f} scenes a second, {memory:.1f} GiB at most, {100 * share:.0f} % waiting for data, "
        f"{hours:.1f} hours for the preset's {training['steps']} steps (median of {steps} steps)"
    )
    return Line(f"{name} at the paper's scale in {precision}", text, math.isfinite(seconds))


def _peak_gib(fabric: Fabric) -> float:
    if fabric.device.type == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class _Pictures:
    """Drawn pictures, as JPEG bytes, in memory."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._content = []
        for _ in range(SCENES):
            coarse = rng.integers(0, 255, (SCENE_SIZE[1] // 8, SCENE_SIZE[0] // 8, 3), dtype=np.uint8)
            content = BytesIO()
            picture = Image.fromarray(coarse).resize(SCENE_SIZE, Image.Resampling.BICUBIC)
            picture.save(content, "JPEG", quality=92)
            self._content.append(np.frombuffer(content.getvalue(), dtype=np.uint8))

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        return self._content[index]


def _batches(student: TimedStudent, steps: int, fabric: Fabric) -> Iterator[SceneBatch]:
    """Yield batches as a training gets them: decoded and changed in processes beside it."""
    rng = np.random.default_rng(1)
    scenes = []
    for number in range(SCENES):
        corner = rng.uniform(0, [SCENE_SIZE[0] - 120, SCENE_SIZE[1] - 300], (PEOPLE, 2))
        boxes = np.concatenate([corner, corner + rng.uniform([40, 100], [110, 280], (PEOPLE, 2))], axis=1)
        scenes.append(Scene(f"{number}.jpg", boxes, rng.integers(-1, IDENTITIES, PEOPLE), 0))
    split = Split("train", tuple(scenes), tuple(map(str, range(IDENTITIES))))
    transform = scene_transform(student.options.augmentation)
    data = TrainingScenes(split, _Pictures(), transform)  # type: ignore[arg-type]
    changes = {"steps": steps, "warmup_steps": 0, "accumulate": 1}
    training = student.options.training.model_copy(update=changes)
    return iter(device_batches(data, training, 0, fabric)(0))


if __name__ == "__main__":
    main()
