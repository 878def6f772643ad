"""What a training step costs on a quiet and on a busy machine, with OpenMP's own waiting and with ours.

Run as `python -m benchmarks.busy_machine`. The threads' way of waiting is fixed when PyTorch is loaded, so
each way has a process of its own. They take steps of the default run's first student in turn, alone and
beside processes that keep all cores busy, until the ratios are known well enough.
"""

import math
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from pipeline.basics.busy_machine import SPIN_VARIABLE, WAIT_VARIABLE, ask_for_slices

QUIET_ALLOWED = 1.05
"""Of a quiet step to one with OpenMP's own waiting."""
BUSY_ALLOWED = 2.5
"""Of a step beside two busy processes to a quiet one."""
STEPS = 6
"""Steps in a turn; the first only wakes the threads up and is not counted."""
LEAST_TURNS = 10
LOAD = "while True: pass"


class _Trainer:
    """A process that takes training steps when it is asked to, and else sleeps.

    Args:
        spins: turns of the waiting loop; None for what is chosen at the start.
        threads: of the network.
    """

    def __init__(self, spins: int | None, threads: int) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in (SPIN_VARIABLE, WAIT_VARIABLE)}
        if spins is not None:
            environment[SPIN_VARIABLE] = str(spins)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.busy_machine", "--threads", str(threads), "--trainer"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_with_default_slices,  # noqa: PLW1509 (there is one thread)
        )

    def milliseconds(self) -> float:
        """Take a turn's steps and return the median of what they took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> "_Trainer":
        """Take the first steps, which cost more."""
        self.milliseconds()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


DEFAULT_SPINS = 300_000
"""GNU OpenMP's own, where nothing is set."""


def _with_default_slices() -> None:
    """Give a new process Linux's own time slices, not the short ones that this one has asked for."""
    ask_for_slices(0)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep cores busy meanwhile."""
    load = [sys.executable, "-c", LOAD]
    started = [
        subprocess.Popen(load, preexec_fn=_with_default_slices)  # noqa: PLW1509 (there is one thread)
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.wait()


@click.command()
@click.option("--spins", type=int, help="Turns of the waiting loop to try in place of what is chosen.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network.")
@click.option("--load", default=2, show_default=True, help="Processes that keep cores busy.")
@click.option("--turns", default=24, show_default=True, help="At most; fewer where the ratios are clear.")
@click.option("--trainer", is_flag=True, hidden=True, help="Be the process that takes the steps.")
def main(spins: int | None, threads: int, load: int, turns: int, trainer: bool) -> None:
    """Time a step quiet and busy, both ways of waiting in turn; exit code 1 if ours costs too much."""
    if trainer:
        _take_steps(threads)
        return
    with _both(spins, threads) as ways:
        quiet = _in_turn(ways, turns, QUIET_ALLOWED)
    with busy(load), _both(spins, threads) as ways:
        loaded = _in_turn(ways, turns, BUSY_ALLOWED)
    calm = statistics.median(quiet["ours"])
    ratios = [ours / default for ours, default in zip(quiet["ours"], quiet["default"], strict=True)]
    slowed = [ours / calm for ours in loaded["ours"]]
    click.echo(f"quiet: {_row(quiet)}; ours {_with_error(ratios)} of the default's, allowed {QUIET_ALLOWED}")
    click.echo(
        f"beside {load} busy processes: {_row(loaded)}; ours {_with_error(slowed)} of the quiet step, "
        f"allowed {BUSY_ALLOWED}"
    )
    if statistics.median(ratios) > QUIET_ALLOWED or statistics.median(slowed) > BUSY_ALLOWED:
        raise click.ClickException("a step costs more than it is allowed")


@contextmanager
def _both(spins: int | None, threads: int) -> Iterator[Mapping[str, _Trainer]]:
    """Start a process for each way of waiting; ours is chosen by what runs now."""
    with _Trainer(DEFAULT_SPINS, threads) as default, _Trainer(spins, threads) as ours:
        yield {"default": default, "ours": ours}


def _in_turn(ways: Mapping[str, _Trainer], turns: int, allowed: float) -> dict[str, list[float]]:
    """Let the ways take turns, until the error of their ratio is smaller than its distance from 1."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        for name in ways if turn % 2 else reversed(ways):
            times[name].append(ways[name].milliseconds())
        ratios = [ours / default for ours, default in zip(times["ours"], times["default"], strict=True)]
        if turn + 1 >= LEAST_TURNS and _error(ratios) < abs(statistics.median(ratios) - allowed) / 2:
            break
    return times


def _take_steps(threads: int) -> None:
    """Take a turn's steps for each line that comes in."""
    import torch  # noqa: PLC0415 (the parent needs no PyTorch)

    from benchmarks.training import TimedStudent, batch_of  # noqa: PLC0415
    from pipeline.devices import make_fabric  # noqa: PLC0415

    fabric = make_fabric()
    torch.set_num_threads(threads)
    student = TimedStudent("baseline", fabric)
    batch = batch_of(student.options, 0)
    for _ in sys.stdin:
        seconds = [student.step(batch) for _ in range(STEPS)][1:]
        print(1000 * statistics.median(seconds), flush=True)  # noqa: T201 (read by the parent)


def _error(values: list[float]) -> float:
    """Return the standard error of the median, as of normal values."""
    return 1.25 * statistics.stdev(values) / math.sqrt(len(values))


def _with_error(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ± {_error(values):.3f}"


def _row(times: Mapping[str, list[float]]) -> str:
    shown = (f"{name} {statistics.median(values):.1f} ms" for name, values in times.items())
    return f"{', '.join(shown)} a step (medians of {len(times['ours'])} turns)"


if __name__ == "__main__":
    main()
