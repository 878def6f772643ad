"""What a training step costs: the distilled students' beside the baseline's, in one run.

Run as `python -m benchmarks.training`. The students are the rows of params.yaml, on the same generated
scenes; their steps are taken in turn, so that a slow moment of the machine hits all alike. The table and the
detector teacher, of the student's own architecture, are random: they cost the same whatever they hold.
"""

import math
import statistics
import time

import click
import torch
from torch import nn
from torch.nn import functional

from pipeline.batches.ground_truth import PERSON
from pipeline.batches.loading import SceneBatch
from pipeline.devices import seed_everything
from pipeline.losses.identity.targets import build_identity_loss
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.training.engine.memory_layout import channels_last_is_safe
from pipeline.training.engine.optimisation import build_optimizer
from pipeline.training.student.taught_student import TaughtStudent
from pipeline.training.student.training import StudentOptions, StudentTask
from stages.support.parameters import PARAMETERS, Parameters, read_parameters
from stages.support.student import student_options

ALLOWED_RATIOS = {"kd_lut": 1.02, "kd_detector": 1.6, "kd_both": 1.6}
"""Of a row's step to the baseline's; a detector teacher costs a forward pass more."""
IDENTITIES = 240
PEOPLE = 5
WARM_UP = 5


@click.command()
@click.option("--steps", default=60, show_default=True, help="Counted steps of each student.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network.")
def main(steps: int, threads: int) -> None:
    """Time training steps of all students in turn; exit code 1 if one costs more than it is allowed."""
    torch.set_num_threads(threads)
    rows = list(read_parameters(PARAMETERS)["students"])
    students = {row: TimedStudent(row) for row in rows}
    batches = [batch_of(students["baseline"].options, seed) for seed in range(4)]
    times: dict[str, list[float]] = {row: [] for row in rows}
    for step in range(WARM_UP + steps):
        for row in rows if step % 2 else rows[::-1]:
            seconds = students[row].step(batches[step % len(batches)])
            if step >= WARM_UP:
                times[row].append(seconds)
    too_slow = []
    for row in rows:
        pairs = [own / plain for own, plain in zip(times[row], times["baseline"], strict=True)]
        allowed = f", allowed {ALLOWED_RATIOS[row]}" if row in ALLOWED_RATIOS else ""
        if statistics.median(pairs) > ALLOWED_RATIOS.get(row, math.inf):
            too_slow.append(row)
        click.echo(
            f"{row}: {1000 * statistics.median(times[row]):.1f} ms a step (median of {steps}), "
            f"{statistics.median(pairs):.3f} of the baseline's (median of pairs{allowed})"
        )
    if too_slow:
        raise click.ClickException(f"a step costs more than it is allowed: {', '.join(too_slow)}")


class TimedStudent:
    """A student of params.yaml with its target and optimiser."""

    def __init__(self, row: str) -> None:
        parameters = Parameters(("train_student", "students.{row}"), row=row)
        self.options = student_options(parameters, "train_student", f"students.{row}")
        seed_everything(self.options.seed)
        student = PersonSearchNetwork(self.options.network).train()
        dim = self.options.network.embedding_dim
        table = functional.normalize(torch.randn(IDENTITIES, dim), dim=1)
        distillation = self.options.detector_distillation
        teacher = Detector(self.options.network).eval() if distillation is not None else None
        hinted = teacher is not None and distillation is not None and distillation.hint > 0
        network = TaughtStudent(student, student.stem_channels if hinted else None)
        if self.options.training.channels_last and channels_last_is_safe(network, torch.device("cpu")):
            network.to(memory_format=torch.channels_last)
        identity_loss = build_identity_loss(self.options.identity, IDENTITIES, dim, table)
        self.task = StudentTask(network, identity_loss, teacher, distillation)
        self.optimizer = build_optimizer([network], self.options.training)

    def step(self, batch: SceneBatch) -> float:
        """Take one step; return its seconds."""
        torch.manual_seed(0)
        start = time.perf_counter()
        losses = self.task.losses(batch)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        if self.options.training.clip_norm:
            nn.utils.clip_grad_norm_(self.task.network.parameters(), self.options.training.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.task.after_step()
        return time.perf_counter() - start


def batch_of(options: StudentOptions, seed: int) -> SceneBatch:
    """Draw a student's batch: noise with people anywhere, some of them unlabelled."""
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
    return SceneBatch(images, targets)


if __name__ == "__main__":
    main()
