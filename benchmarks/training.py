"""What a training step costs: the distilled students' beside the plain ones', in one run.

Run as `python -m benchmarks.training`. The students are those of params.yaml, two of them as a SeqNet and as
a QEEPS, and one with a table of 100,000 boxes, on the same generated scenes; a QEEPS has as many query scenes
besides. A step is the pipeline's own `training_step`. Steps are taken in turn: a slow moment of the machine
hits all students. The tables and the detector teacher are random: their cost does not depend on what they
hold.
"""

import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from pipeline.batches.ground_truth import BOX_ROWS, PERSON, QUERY
from pipeline.batches.loading import SceneBatch
from pipeline.devices import make_fabric, seed_everything
from pipeline.losses.boxes.targets import build_box_loss
from pipeline.losses.identity.targets import build_identity_loss
from pipeline.models.backbones import NetworkOptions
from pipeline.models.detector import Detector
from pipeline.models.heads import HEADS, build_student
from pipeline.training.detector import DetectorTrainingOptions
from pipeline.training.engine.loop import Task, set_up, training_step
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.taught_student import TaughtStudent
from pipeline.training.student.training import StudentTask
from stages.support.parameters import PARAMETERS, Parameters, read_parameters

ALLOWED_RATIOS = {
    "kd_lut": 1.02,
    "kd_detector": 1.6,
    "kd_both": 1.6,
    "seqnet": 1.5,
    "seqnet_kd_lut": 1.02,
    "qeeps": 2.3,
    "qeeps_kd_lut": 1.02,
    "by_box": 1.05,
}
"""Of a student's step to that of the one beside it. A detector teacher costs a forward pass more, a SeqNet a
second tail (1.41 and 1.45 were measured on two threads, 1.31 and 1.41 on one), a QEEPS a second scene."""
PLAIN = "baseline"
IDENTITIES = 240
BOXES = 100_000
"""Rows of the table by box."""
PEOPLE = 5
WARM_UP = 5
QUERY_SEEDS = 1000
"""Added to a batch's seed for its query scenes."""
Untrained = TypeVar("Untrained", bound=NetworkOptions)


class Row(NamedTuple):
    """One line of the result: a student of params.yaml, what differs from it, and whose step it is beside."""

    student: str
    beside: str = PLAIN
    changes: Mapping[str, Any] | None = None


AS_SEQNET = {"network": {"head": "seqnet"}}
AS_QEEPS = {"network": {"head": "qeeps"}}
BY_BOX = {"table": "artifacts/boxes.h5", "boxes": {"target": "kl"}}
"""No file is read. `kl` is the target that computes most."""
OTHERS = {
    "seqnet": Row(PLAIN, PLAIN, AS_SEQNET),
    "seqnet_kd_lut": Row("kd_lut", "seqnet", AS_SEQNET),
    "qeeps": Row(PLAIN, PLAIN, AS_QEEPS),
    "qeeps_kd_lut": Row("kd_lut", "qeeps", AS_QEEPS),
    "by_box": Row(PLAIN, PLAIN, BY_BOX),
}


@click.command()
@click.option("--steps", default=60, show_default=True, help="Counted steps of each student.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network.")
def main(steps: int, threads: int) -> None:
    """Time training steps of all students in turn; exit code 1 if one costs more than it is allowed."""
    fabric = make_fabric()
    torch.set_num_threads(threads)
    rows = {name: Row(name) for name in read_parameters(PARAMETERS)["students"]} | OTHERS
    names = list(rows)
    students = {name: TimedStudent(row.student, fabric, changes=row.changes) for name, row in rows.items()}
    batches = {
        name: [batch_of(student.options, seed) for seed in range(4)] for name, student in students.items()
    }
    times: dict[str, list[float]] = {name: [] for name in names}
    for step in range(WARM_UP + steps):
        for name in names if step % 2 else names[::-1]:
            seconds = students[name].step(batches[name][step % len(batches[name])])
            if step >= WARM_UP:
                times[name].append(seconds)
    too_slow = []
    for name in names:
        beside = rows[name].beside
        pairs = [own / plain for own, plain in zip(times[name], times[beside], strict=True)]
        allowed = f", allowed {ALLOWED_RATIOS[name]}" if name in ALLOWED_RATIOS else ""
        if statistics.median(pairs) > ALLOWED_RATIOS.get(name, math.inf):
            too_slow.append(name)
        click.echo(
            f"{name}: {1000 * statistics.median(times[name]):.1f} ms a step (median of {steps}), "
            f"{statistics.median(pairs):.3f} of {beside}'s (median of pairs{allowed})"
        )
    if too_slow:
        raise click.ClickException(f"a step costs more than it is allowed: {', '.join(too_slow)}")


class Timed:
    """A task in training, with its optimiser: its steps are the loop's own.

    Args:
        fabric: where it trains.
        task: what is learned.
        options: the training's.
        weights: factor on each loss by name.
    """

    def __init__(self, fabric: Fabric, task: Task, options: Any, weights: Mapping[str, float]) -> None:
        self.fabric, self.task, self.options, self._weights = fabric, task, options, weights
        self.losses: dict[str, Tensor] = {}
        self.optimizer, _ = set_up(fabric, task, options.training)

    def step(self, *batches: Any) -> float:
        """Take one step along the mean gradient of batches, keep its losses, and return its seconds."""
        torch.manual_seed(0)
        start = time.perf_counter()
        clip_norm = self.options.training.clip_norm
        self.losses = training_step(self.fabric, self.task, batches, self.optimizer, self._weights, clip_norm)
        wait_for_device(self.fabric.device)
        return time.perf_counter() - start


def wait_for_device(device: torch.device) -> None:
    """Wait until a GPU has done what it was given; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class TimedStudent(Timed):
    """A student in training, with its target and its teacher.

    Args:
        name: of the student.
        fabric: where it trains.
        path: the params.yaml that says what the student and its teacher are.
        changes: what differs from it.
        identities: rows of its table.
    """

    def __init__(
        self,
        name: str,
        fabric: Fabric,
        path: Path = PARAMETERS,
        changes: Mapping[str, Any] | None = None,
        identities: int = IDENTITIES,
    ) -> None:
        own = f"students.{name}"
        parameters = Parameters(("network", "train_detector", "train_student", own), path)
        options = parameters.options("train_student", StudentOptions, own, changes)
        of_teacher = parameters.options("train_detector", DetectorTrainingOptions)
        seed_everything(options.seed)
        student = build_student(options.network)
        dim = options.network.embedding_dim
        table = functional.normalize(torch.randn(identities, dim), dim=1)
        distillation = options.detector_distillation
        teacher = Detector(without_weights(of_teacher.network)).eval() if distillation is not None else None
        if teacher is not None:
            teacher.to(fabric.device).requires_grad_(False)
        hinted = teacher is not None and distillation is not None and distillation.hint > 0
        network = TaughtStudent(student, teacher.stem_channels if teacher and hinted else None)
        self.identity_loss = build_identity_loss(options.identity, identities, dim, table)
        self.identity_loss.to(fabric.device)
        box_loss = None
        if options.boxes is not None:
            rows = functional.normalize(torch.randn(BOXES, dim), dim=1).half()
            box_loss = build_box_loss(options.boxes, dim, rows, options.seed).to(fabric.device)
        task = StudentTask(network, self.identity_loss, teacher, distillation, box_loss)
        super().__init__(fabric, task, options, options.weights())


def without_weights(options: Untrained) -> Untrained:
    """Return a network's options with a backbone that starts from scratch: no file is needed."""
    backbone = options.backbone.model_copy(update={"weights": "none"})
    return options.model_copy(update={"backbone": backbone})


def batch_of(options: StudentOptions, seed: int) -> SceneBatch:
    """Draw a student's batch: noise with people anywhere, some of them unlabelled.

    Where the student is trained on pairs, the first person in each query scene is in the gallery scene too.
    """
    if HEADS[options.network.head].trains_on_pairs:
        queries, galleries = (_scenes_of(options, own) for own in (seed + QUERY_SEEDS, seed))
        for query, gallery in zip(queries.targets, galleries.targets, strict=True):
            person = gallery["person_ids"].clamp(min=0)[0]
            query["person_ids"][0] = gallery["person_ids"][0] = person
            query[QUERY] = torch.tensor([0])
        return SceneBatch(queries.images + galleries.images, queries.targets + galleries.targets)
    return _scenes_of(options, seed)


def _scenes_of(options: StudentOptions, seed: int) -> SceneBatch:
    generator = torch.Generator().manual_seed(seed)
    height, width = options.network.short_side, options.network.long_side
    images, targets = [], []
    for _ in range(options.training.batch_size):
        images.append(torch.rand(3, height, width, generator=generator))
        tall = height * (0.25 + 0.4 * torch.rand(PEOPLE, 1, generator=generator))
        size = torch.cat([0.45 * tall, tall], dim=1)
        corner = torch.rand(PEOPLE, 2, generator=generator) * (torch.tensor([width, height]) - size)
        targets.append(
            {
                "boxes": torch.cat([corner, corner + size], dim=1),
                "labels": torch.full((PEOPLE,), PERSON),
                "person_ids": torch.randint(-1, IDENTITIES, (PEOPLE,), generator=generator),
            }
        )
    if options.boxes is not None:
        for target in targets:
            target[BOX_ROWS] = torch.randint(BOXES, (PEOPLE,), generator=generator)
    return SceneBatch(images, targets)


if __name__ == "__main__":
    main()
