"""A training in a process of its own, so that its peak memory is its own; it does what it is asked to.

It is started as `python -m benchmarks.trainer_process PRESET NAME`. For each line that comes in, it does what
the line says and answers with a line of JSON.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch

from benchmarks.memory import peak_gib
from benchmarks.paper_scale import Trained, build, drawn_batches
from benchmarks.training import TimedStudent, batch_of, wait_for_device
from pipeline.devices import DEVICES_VARIABLE, make_fabric

STEP, SEARCH, TRAIN = "step", "search", "train"
"""A step with a batch that is there already; the search in its first scene, with all RoIs that it may have,
since untrained networks find more or fewer people; steps with loaded batches."""
TROUBLE = (subprocess.SubprocessError, OSError, ValueError)
"""What a process that cannot do its work raises in the one that asked it to."""


class TrainerProcess:
    """The process of a training.

    Args:
        preset: the params.yaml.
        name: see `paper_scale.options_of`.
        precision: of the training.
        training: options of the training that differ from the preset's.
        network: the same of its network.
    """

    def __init__(
        self,
        preset: Path,
        name: str,
        precision: str = "32-true",
        training: Mapping[str, Any] | None = None,
        network: Mapping[str, Any] | None = None,
    ) -> None:
        changes = {"training": {"precision": precision, **(training or {})}, "network": dict(network or {})}
        self._process = RunningModule("benchmarks.trainer_process", str(preset), name, json.dumps(changes))

    def ask(self, what: str) -> dict[str, Any]:
        """Have it do something; return its answer. Raises one of `TROUBLE` where it cannot."""
        return self._process.ask(what)

    def __enter__(self) -> "TrainerProcess":
        """Return the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.end()


class RunningModule:
    """A module of this project that runs in a process of its own, on one device.

    Args:
        module: its name.
        arguments: of its command line.
        variables: of its environment, over those of this one.
    """

    def __init__(self, module: str, *arguments: str, **variables: str) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (`end` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, DEVICES_VARIABLE: "1", **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,
        )

    def ask(self, what: str = "") -> dict[str, Any]:
        """Write it a line; return its answer. Raises one of `TROUBLE`, with its last words, without one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended, and has said why
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise subprocess.SubprocessError(self._last_words())
        found: dict[str, Any] = json.loads(answer)
        return found

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        words = [line.strip() for line in self._said if line.strip()]
        return words[-1] if words else f"its process ended with {code}"

    def end(self) -> None:
        """End it, and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._said.close()


class Pairs(NamedTuple):
    """Two trainings that did the same in turns.

    Attributes:
        seconds: median of the first's.
        ratios: the first's seconds to the second's, turn by turn.
        memory: GiB at most, of both, after as many turns.
    """

    seconds: float
    ratios: list[float]
    memory: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios)

    def __str__(self) -> str:
        """Return the ratio with its spread."""
        return (
            f"{self.ratio:.3f} (median of {len(self.ratios)} pairs, "
            f"{min(self.ratios):.3f} to {max(self.ratios):.3f})"
        )


def in_turns(own: TrainerProcess, other: TrainerProcess, turns: int, what: str = STEP) -> Pairs:
    """Have two trainings do the same in turns, so that a slow moment hits both; the first turn warms up."""
    seconds: list[tuple[float, float]] = []
    for turn in range(turns + 1):
        first, second = (own, other) if turn % 2 else (other, own)
        answers = [first.ask(what), second.ask(what)]
        of_own, of_other = answers if turn % 2 else answers[::-1]
        if turn:
            seconds.append((of_own["seconds"], of_other["seconds"]))
    ratios = [pair[0] / pair[1] for pair in seconds]
    median = statistics.median(pair[0] for pair in seconds)
    return Pairs(median, ratios, (of_own["peak"], of_other["peak"]))


@click.command()
@click.argument("preset", type=click.Path(path_type=Path))
@click.argument("name")
@click.argument("changes")
def main(preset: Path, name: str, changes: str) -> None:
    """Do for each line that comes in what it says."""
    differing = json.loads(changes)
    fabric = make_fabric(differing["training"]["precision"])
    trained = build(preset, name, fabric, differing)
    for line in sys.stdin:
        what, *count = line.split()
        answer = train(trained, *map(int, count)) if what == TRAIN else {"seconds": _once(trained, what)}
        answer["peak"] = peak_gib(fabric.device)
        print(json.dumps(answer), flush=True)  # noqa: T201 (read by the parent)


def _once(trained: Trained, what: str) -> float:
    """Take a step with generated batches that are in memory, or search; return the seconds."""
    options = trained.options
    batch = batch_of(options, 0)
    if what == STEP:
        return trained.step(*[batch] * options.training.accumulate)
    assert isinstance(trained, TimedStudent)
    device = trained.fabric.device
    network = trained.task.network.student.eval()
    image = batch.images[0].to(device)
    everywhere = torch.tensor([0.0, 0.0, image.shape[-1], image.shape[-2]], device=device)
    start = time.perf_counter()
    with torch.no_grad():
        scene, features = network.scene_features([image])
        network.rpn(scene, features)
        network.run_heads(scene, features, everywhere)
    wait_for_device(device)
    return time.perf_counter() - start


def train(trained: Trained, warm_up: int, steps: int) -> dict[str, Any]:
    """Train with batches that are loaded as ever; return the seconds of waiting and working, by step.

    Args:
        trained: the training.
        warm_up: steps that are not counted; one batch more is not, for the start of the data processes.
        steps: that are counted.
    """
    options, fabric = trained.options, trained.fabric
    accumulate = options.training.accumulate
    waiting, working = [], []
    with tempfile.TemporaryDirectory() as folder:
        batches = drawn_batches(options, fabric, Path(folder), 1 + (warm_up + steps) * accumulate)
        next(batches)
        for step in range(warm_up + steps):
            start = time.perf_counter()
            taken: list[Any] = [next(batches) for _ in range(accumulate)]
            waited = time.perf_counter() - start
            worked = trained.step(*taken)
            if step >= warm_up:
                waiting.append(waited)
                working.append(worked)
    return {"waiting": waiting, "working": working}


if __name__ == "__main__":
    main()
