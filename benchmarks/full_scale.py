"""What a student costs at the paper's scale, beside torchvision's plain Faster R-CNN of the same parts.

Run as `python -m benchmarks.full_scale` (part of `make bench-full`). The students are the preset's own; for
torchvision's network see `torchvision_detector.py`. A step is the preset's: as many batches as it
accumulates, pictures of 600 x 1000. Each network has a process of its own, so that its peak memory is its
own; two take steps in turn, and memory is compared after as many steps of each. It takes minutes on a CPU.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.paper_scale import PAPER_SCALE, TORCHVISION
from benchmarks.trainer_process import SEARCH, STEP, Pairs, TrainerProcess, in_turns

TEACHER_MEASURED, TEACHER_NOISE = 2.03, 0.1
"""What a step of `kd_both` took of the baseline's, median of pairs, and how far such medians lay apart."""
SCENES = 2
"""Searches a step: they are short. Each has as many RoIs as a scene may have, whatever the weights."""


class Comparison(NamedTuple):
    """Two networks that are compared.

    Attributes:
        own: name of the one.
        other: name of the other.
        step: the most that the seconds of the one may be of the other's.
        memory: the same of the most memory; None where it is not compared.
        what: they do.
        other_network: options of the other's network that differ from the preset's.
    """

    own: str
    other: str
    step: float
    memory: float | None = None
    what: str = STEP
    other_network: Mapping[str, Any] = {}

    @property
    def title(self) -> str:
        """Say which networks do what."""
        differing = "" if not self.other_network else " with a ResNet-50 cut as its own backbone"
        return f"{self.what}, {self.own} to {self.other}{differing}"


BASELINE, LARGE, BOTH = "baseline", "baseline_resnet50", "kd_both"
COMPARISONS = (
    Comparison(BASELINE, TORCHVISION + BASELINE, 1.05, 1.1),
    Comparison(LARGE, TORCHVISION + LARGE, 1.05, 1.1),
    Comparison(BOTH, BASELINE, TEACHER_MEASURED + 2 * TEACHER_NOISE),
    Comparison(BASELINE, LARGE, 0.5, what=SEARCH),
    Comparison(BASELINE, BASELINE, 0.5, what=SEARCH, other_network={"backbone": {"name": "resnet50"}}),
)


@click.command()
@click.option("--steps", default=5, show_default=True, help="Counted steps of each.")
@click.option("--preset", type=click.Path(path_type=Path), default=PAPER_SCALE, show_default=True)
def main(steps: int, preset: Path) -> None:
    """Time steps of students and of torchvision's network; exit code 1 if a student costs too much."""
    wrong = [case.title for case in COMPARISONS if not _compare(case, preset, steps)]
    if wrong:
        raise click.ClickException(f"more than is allowed: {', '.join(wrong)}")


def _compare(case: Comparison, preset: Path, steps: int) -> bool:
    with (
        TrainerProcess(preset, case.own) as own,
        TrainerProcess(preset, case.other, network=case.other_network) as other,
    ):
        pairs = in_turns(own, other, steps * (SCENES if case.what == SEARCH else 1), case.what)
    click.echo(f"{case.title}: {pairs.seconds:.2f} s, {pairs}, allowed {case.step:.2f}{_memory(case, pairs)}")
    fits = case.memory is None or pairs.memory[0] <= case.memory * pairs.memory[1]
    return pairs.ratio <= case.step and fits


def _memory(case: Comparison, pairs: Pairs) -> str:
    own, other = pairs.memory
    allowed = "" if case.memory is None else f", allowed {case.memory}"
    return f"; {own:.2f} GiB at most, {own / other:.3f} of the other's{allowed}"


if __name__ == "__main__":
    main()
