"""What a device does with this project: the CPU's numbers, equal runs, and the speed at the paper's scale.

Run as `python -m benchmarks.gpu_check` (`make gpu-check`). It needs no data: scenes and crops are drawn, as
large as the preset takes them. On a machine without CUDA it does what can be done on the CPU, in few steps.
Each row has processes of its own, so that its peak memory is its own (that of its data processes is not in
it). One table shows all, and the file that it writes has all numbers, for a report.
"""

import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.device_checks import FULL, MIXED, TENSOR_CORES, furthest
from benchmarks.paper_scale import PAPER_SCALE, options_of, references, trainings
from benchmarks.trainer_process import TRAIN, TROUBLE, RunningModule, TrainerProcess, in_turns
from pipeline.basics.environment_variables import THREADS_VARIABLE
from pipeline.devices import DETERMINISTIC_VARIABLE, DEVICES_VARIABLE, Placement, one_device, placement
from pipeline.training.engine.environment import environment

CHECKS = "benchmarks.device_checks"
LOSS_ALLOWED = {FULL: 1e-4, TENSOR_CORES: 2e-3, MIXED: 0.01}
"""Of the CPU's total loss, by way to compute: float32 rounds at the 24th bit, TF32 at the 11th, bfloat16 at
the 8th. On the CPU, bfloat16's losses are 0.0006 off, and its gradients' cosine is 0.998."""
COSINE_ALLOWED = {FULL: 0.9999, TENSOR_CORES: 0.998, MIXED: 0.98}
JOINT_ALLOWED = {"cpu": 1e-5, "cuda": 1e-4}
"""Part of a value, or of 1 where it is smaller. A GPU sums batches of other sizes by other algorithms."""
GPU_STEPS, GPU_WARM_UP, CPU_STEPS = 50, 3, 1
OPTIONS = ("channels_last", "compile")
COMPILERS = ("g++", "clang++", "c++")
HEAD = ("", "what", "images/s", "s a step", "of torchvision's", "GiB", "waiting", "hours", "what came out")
TABLE_WIDTH = 150
FORMS = {
    "images a second": ".2f",
    "seconds a step": ".3f",
    "of torchvision's": ".2f",
    "peak GiB": ".2f",
    "share of waiting": ".0%",
    "hours of the preset": ".1f",
}
"""Numbers of a row that have a column, and how they are written."""


class Row(NamedTuple):
    """One line of the result.

    Attributes:
        what: was looked at.
        result: in words.
        right: whether it is as it should be.
        numbers: all of them, by name.
    """

    what: str
    result: str
    right: bool = True
    numbers: Mapping[str, Any] = MappingProxyType({})


class Work(NamedTuple):
    """One line to come: what it is called, and what makes it."""

    what: str
    make: Callable[[], Row]


@click.command()
@click.option("--steps", type=click.IntRange(min=1), help=f"A row; {GPU_STEPS}, on the CPU {CPU_STEPS}.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("gpu-check.json"), show_default=True)
@click.option("--preset", type=click.Path(path_type=Path), default=PAPER_SCALE, show_default=True)
@click.option("--only", help="Names of the trainings that are timed, with commas between; none: ''.")
def main(steps: int | None, out: Path, preset: Path, only: str | None) -> None:
    """Compare the device with the CPU, and time the preset's trainings; exit code 1 if something is wrong."""
    place = placement()
    count = steps or (GPU_STEPS if place.device == "cuda" else CPU_STEPS)
    names = _chosen(preset, only)
    rows = []
    for work in [
        *_checks(place),
        *_speeds(preset, names, count, place),
        *_options(preset, names, count, place),
    ]:
        click.echo(f"{work.what} ...", err=True)
        rows.append(_made(work))
        click.echo(f"  {rows[-1].result}", err=True)
    report = summed_up(rows, place)
    Console(width=TABLE_WIDTH).print(table(rows, report["hours of all trainings"]))
    out.write_text(json.dumps(report, indent=2) + "\n")
    click.echo(f"{out}: all numbers")
    if not report["right"]:
        raise click.ClickException("the device is not as it should be; attach the file above to a report")


def _chosen(preset: Path, only: str | None) -> list[str]:
    """Return the trainings that are timed. Raises `BadParameter` for a name that the preset does not have."""
    names = trainings(preset)
    if only is None:
        return names
    asked = [name for name in only.split(",") if name]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise click.BadParameter(f"{preset} has no {unknown[0]}; it has {', '.join(names)}")
    return asked


def _made(work: Work) -> Row:
    """Make a row. What cannot be done is a row too: the others go on."""
    try:
        return work.make()
    except TROUBLE as error:
        return Row(work.what, str(error), right=False)


def _checks(place: Placement) -> Iterator[Work]:
    """Yield the checks of what is computed."""
    cuda = place.device == "cuda"
    for way in (FULL, TENSOR_CORES, MIXED) if cuda else (FULL, MIXED):
        what = f"one step in {way} beside the CPU's in float32"
        yield Work(what, lambda way=way, what=what: parity(what, way))  # type: ignore[misc]
    for promised in (place.deterministic, True) if cuda and not place.deterministic else (True,):
        what = f"two runs of one seed{f', {DETERMINISTIC_VARIABLE}={int(promised)}' if cuda else ''}"
        yield Work(what, lambda promised=promised, what=what: _equal_runs(what, promised))  # type: ignore[misc]
    what = "one training on one device and on two"
    yield Work(what, lambda: several_devices(what, place))


def parity(what: str, way: str) -> Row:
    """Compare losses and gradients of one step with those of the CPU in float32."""
    found = asked_once("parity", way)
    losses = found["losses"]
    worst = max(losses, key=lambda name: losses[name])
    right = losses[worst] <= LOSS_ALLOWED[way] and found["cosine"] >= COSINE_ALLOWED[way]
    text = (
        f"losses differ by {losses[worst]:.1e} of the total at most ({worst}; allowed "
        f"{LOSS_ALLOWED[way]:g}), gradients' cosine {found['cosine']:.6f} (at least {COSINE_ALLOWED[way]:g})"
    )
    return Row(what, text, right, found)


def _equal_runs(what: str, promised: bool) -> Row:
    found = asked_once("equal-runs", **{DETERMINISTIC_VARIABLE: str(int(promised))})
    text = f"{'the same bits' if found['equal'] else 'other bits'}; {'' if promised else 'not '}promised"
    return Row(what, text, found["equal"] or not promised, found | {"promised": promised})


def several_devices(what: str, place: Placement) -> Row:
    """Train on one device and on two with the joint batch; compare losses, tables and weights."""
    if place.device == "cuda" and torch.cuda.device_count() < 2:
        return Row(what, "not here: one device")
    choice = "choice" if place.device == "cpu" else "no choice"
    with tempfile.TemporaryDirectory() as folder:
        for devices in ("1", "2"):
            variables = {DEVICES_VARIABLE: devices, THREADS_VARIABLE: "1"}
            asked_once("jointly", folder, choice, **variables)
        found = furthest(Path(folder), 2)
    allowed = JOINT_ALLOWED[place.device]
    text = ", ".join(f"{kind} differ by {difference:.1e}" for kind, difference in found.items())
    return Row(what, f"{text} (allowed {allowed:g})", max(found.values()) <= allowed, found)


def asked_once(check: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run a check of `device_checks` in a process of its own; return its numbers."""
    process = RunningModule(CHECKS, check, *arguments, **variables)
    try:
        return process.ask()
    finally:
        process.end()


def _speeds(preset: Path, names: list[str], steps: int, place: Placement) -> Iterator[Work]:
    """Yield the trainings, each after torchvision's network that it is compared with."""
    of_torchvision = references(preset)
    seconds: dict[tuple[str, str], float] = {}
    for precision in (FULL, MIXED) if place.device == "cuda" else (FULL,):
        listed: dict[str, None] = {}
        for name in names:
            listed |= dict.fromkeys([of_torchvision[name]] if name in of_torchvision else [])
            listed[name] = None
        for name in listed:
            what = f"{name} in {precision}"

            def make(name: str = name, precision: str = precision, what: str = what) -> Row:
                row = speed(
                    what, preset, name, precision, steps, GPU_WARM_UP if place.device == "cuda" else 0
                )
                seconds[name, precision] = row.numbers["seconds a step"]
                plain = seconds.get((of_torchvision.get(name, ""), precision))
                compared = {"of torchvision's": row.numbers["seconds a step"] / plain} if plain else {}
                return row._replace(numbers={**row.numbers, **compared})

            yield Work(what, make)


def speed(what: str, preset: Path, name: str, precision: str, steps: int, warm_up: int) -> Row:
    """Train with drawn pictures, loaded as ever, and say what the preset's training would take."""
    training = options_of(preset, name).training
    with TrainerProcess(preset, name, precision) as process:
        found = process.ask(f"{TRAIN} {warm_up} {steps}")
    waiting, working = found["waiting"], found["working"]
    seconds = statistics.median(map(sum, zip(waiting, working, strict=True)))
    numbers = {
        "name": name,
        "precision": precision,
        "images a second": training.batch_size * training.accumulate / seconds,
        "seconds a step": statistics.median(working),
        "peak GiB": found["peak"],
        "share of waiting": sum(waiting) / (sum(waiting) + sum(working)),
        "steps of the preset": training.steps,
        "hours of the preset": training.steps * seconds / 3600,
        "measured steps": steps,
    }
    text = (
        f"{numbers['images a second']:.2f} images a second, {numbers['hours of the preset']:.1f} hours for "
        f"{training.steps} steps (median of {steps})"
    )
    return Row(what, text, True, numbers)


def _options(preset: Path, names: list[str], steps: int, place: Placement) -> Iterator[Work]:
    """Yield the options that may make the preset's first student faster, beside it without them."""
    student = next((name for name in names if name in references(preset)), None)
    for option in OPTIONS if student else ():
        for precision in (FULL, MIXED) if place.device == "cuda" else (FULL,):
            what = f"{student} with {option} in {precision}"
            yield Work(
                what,
                lambda what=what, option=option, precision=precision: with_option(  # type: ignore[misc]
                    what, preset, str(student), option, precision, steps
                ),
            )


def with_option(what: str, preset: Path, student: str, option: str, precision: str, steps: int) -> Row:
    """Time steps of a student with an option and without it, in turns."""
    if option == "compile" and not any(map(shutil.which, COMPILERS)):
        return Row(what, f"not here: no C++ compiler ({', '.join(COMPILERS)})")
    with (
        TrainerProcess(preset, student, precision, training={option: True}) as own,
        TrainerProcess(preset, student, precision) as plain,
    ):
        pairs = in_turns(own, plain, steps)
    numbers = {
        "option": option,
        "precision": precision,
        "seconds a step": pairs.seconds,
        "of plain": pairs.ratio,
        "peak GiB": pairs.memory[0],
        "memory of plain": pairs.memory[0] / pairs.memory[1],
    }
    return Row(
        what, f"a step is {pairs} of one without it; memory {numbers['memory of plain']:.2f}", True, numbers
    )


def summed_up(rows: list[Row], place: Placement) -> dict[str, Any]:
    """Return what the file holds: the machine, all rows, and the hours of all trainings by precision."""
    hours: dict[str, float] = {}
    for row in rows:
        if "hours of the preset" in row.numbers and row.numbers["name"].split()[0] != "torchvision":
            precision = row.numbers["precision"]
            hours[precision] = hours.get(precision, 0.0) + row.numbers["hours of the preset"]
    return {
        "environment": environment(one_device()),
        "placement": place._asdict(),
        "right": all(row.right for row in rows),
        "hours of all trainings": hours,
        "rows": [{**row._asdict(), "numbers": dict(row.numbers)} for row in rows],
    }


def table(rows: list[Row], hours: dict[str, float]) -> Table:
    """Return all rows as one table, with the sum of the hours below."""
    shown = Table(title="what this device does")
    for title in HEAD:
        shown.add_column(title, justify="left" if title in ("", "what", "what came out") else "right")
    for row in rows:
        numbers = [
            format(row.numbers[name], form) if name in row.numbers else "" for name, form in FORMS.items()
        ]
        measured = "hours of the preset" in row.numbers
        result = f"median of {row.numbers['measured steps']}" if measured else row.result
        shown.add_row("ok" if row.right else "WRONG", row.what, *numbers, result)
    for precision, total in hours.items():
        blank = [""] * (len(FORMS) - 1)
        shown.add_row("", f"all trainings above in {precision}", *blank, f"{total:.1f}", "")
    return shown


if __name__ == "__main__":
    main()
