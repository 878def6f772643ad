"""What a training step costs on a quiet and on a busy machine, with OpenMP's own waiting and with ours.

Run as `python -m benchmarks.busy_machine`. The threads' way of waiting is fixed when PyTorch is loaded, so
each way has a process of its own. They take steps of the default run's first student in turn, alone and
beside processes that keep all cores busy, in new processes each round, until the ratios are known well.
"""

import math
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import click

from pipeline.basics.busy_machine import SPIN_VARIABLE, WAIT_VARIABLE, ask_for_slices

QUIET_ALLOWED = 1.05
"""Of a quiet step to one with OpenMP's own waiting."""
BUSY_ALLOWED = 2.5
"""Of a step beside two busy processes to a quiet one."""
STEPS = 6
"""Steps in a turn."""
FEW_STEPS = 3
"""The same where a step may take seconds: at the start, and beside busy processes with OpenMP's waiting."""
TURNS = 2
"""How often each process has its turn before and after the other's."""
LEAST_ROUNDS = 5
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

    def milliseconds(self, steps: int = STEPS) -> float:
        """Take some steps, of which the first only wakes the threads up; return the median of the others."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> "_Trainer":
        """Take the first steps, which cost more."""
        self.milliseconds(FEW_STEPS)
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


class Round(NamedTuple):
    """Milliseconds of a step in one round: quiet and beside busy processes, OpenMP's own waiting and ours."""

    quiet_default: float
    quiet: float
    busy_default: float
    busy: float

    @property
    def quiet_ratio(self) -> float:
        """Our quiet step in terms of the default's."""
        return self.quiet / self.quiet_default

    @property
    def busy_ratio(self) -> float:
        """Our busy step in terms of our quiet one."""
        return self.busy / self.quiet


@click.command()
@click.option("--spins", type=int, help="Turns of the waiting loop to try in place of what is chosen.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network.")
@click.option("--load", default=2, show_default=True, help="Processes that keep cores busy.")
@click.option("--rounds", default=8, show_default=True, help="At most; fewer where the ratios are clear.")
@click.option("--trainer", is_flag=True, hidden=True, help="Be the process that takes the steps.")
def main(spins: int | None, threads: int, load: int, rounds: int, trainer: bool) -> None:
    """Time a step quiet and busy, both ways of waiting in turn; exit code 1 if ours costs too much."""
    if trainer:
        _take_steps(threads)
        return
    done: list[Round] = []
    while len(done) < rounds and not _is_clear(done):
        quiet_default, quiet = _one_round(spins, threads, quiet=True)
        with busy(load):
            busy_default, busy_ours = _one_round(spins, threads, quiet=False)
        done.append(Round(quiet_default, quiet, busy_default, busy_ours))
    default, ours, loaded_default, loaded = (statistics.median(times) for times in zip(*done, strict=True))
    quiet_ratios, busy_ratios = _ratios(done)
    click.echo(
        f"quiet: default {default:.1f} ms, ours {ours:.1f} ms a step (medians of {len(done)} rounds); "
        f"ours {_with_error(quiet_ratios)} of the default's, allowed {QUIET_ALLOWED}"
    )
    click.echo(
        f"beside {load} busy processes: default {loaded_default:.1f} ms, ours {loaded:.1f} ms a step; "
        f"ours {_with_error(busy_ratios)} of the quiet step, allowed {BUSY_ALLOWED}"
    )
    if statistics.median(quiet_ratios) > QUIET_ALLOWED or statistics.median(busy_ratios) > BUSY_ALLOWED:
        raise click.ClickException("a step costs more than it is allowed")


def _one_round(spins: int | None, threads: int, quiet: bool) -> tuple[float, float]:
    """Return the milliseconds of a step with OpenMP's own waiting and with ours, in new processes.

    A process is faster or slower for as long as it lives, by up to a fifth: where its memory lies, and which
    cores its threads have. So turns within one pair of processes say little, and new pairs say more.
    """
    with _Trainer(DEFAULT_SPINS, threads) as default, _Trainer(spins, threads) as ours:
        own = [ours.milliseconds() for _ in range(TURNS)]
        others = [default.milliseconds(STEPS if quiet else FEW_STEPS) for _ in range(TURNS if quiet else 1)]
        own += [ours.milliseconds() for _ in range(TURNS)]
        others += [default.milliseconds() for _ in range(TURNS if quiet else 0)]
    return statistics.median(others), statistics.median(own)


def _ratios(rounds: Sequence[Round]) -> tuple[list[float], list[float]]:
    return [done.quiet_ratio for done in rounds], [done.busy_ratio for done in rounds]


def _is_clear(rounds: Sequence[Round]) -> bool:
    """Return whether both ratios are known to half of their distance from what is allowed."""
    if len(rounds) < LEAST_ROUNDS:
        return False
    return all(
        _error(ratios) < abs(statistics.median(ratios) - allowed) / 2
        for ratios, allowed in zip(_ratios(rounds), (QUIET_ALLOWED, BUSY_ALLOWED), strict=True)
    )


def _take_steps(threads: int) -> None:
    """For each line that comes in, take as many steps as it says, and print what one of them took."""
    import torch  # noqa: PLC0415 (the parent needs no PyTorch)

    from benchmarks.training import TimedStudent, batch_of  # noqa: PLC0415
    from pipeline.devices import make_fabric  # noqa: PLC0415

    fabric = make_fabric()
    torch.set_num_threads(threads)
    student = TimedStudent("baseline", fabric)
    batch = batch_of(student.options, 0)
    for steps in sys.stdin:
        seconds = [student.step(batch) for _ in range(int(steps))][1:]
        print(1000 * statistics.median(seconds), flush=True)  # noqa: T201 (read by the parent)


def _error(values: list[float]) -> float:
    """Return the standard error of the median, as of normal values."""
    return 1.25 * statistics.stdev(values) / math.sqrt(len(values))


def _with_error(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ± {_error(values):.3f}"


if __name__ == "__main__":
    main()
