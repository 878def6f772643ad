"""How long `check-data` and `prepare` take on data sets of real size, and how much memory.

Run `python -m benchmarks.full_size_data` (part of `make bench-full`); exit code 1 where a limit is not met.
The trees are made in the folder that is given if they are not there (see `full_size_tree.py`), and prepared
data beside them; without one, in a temporary folder. Each row runs in a process of its own. Seconds of all
its processes on the CPU stand beside those on the clock, which other work on the machine lengthens. `prepare`
is compared with its bare parts, run just before it in as many processes as there are cores: reading and
decoding every picture, and writing as many bytes with their SHA-256; and with `check-data`, which reads the
annotations.
"""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from benchmarks.full_size_tree import made
from pipeline.datasets.jpeg import read_jpeg
from pipeline.datasets.packing import prepare
from pipeline.datasets.processes import in_processes
from pipeline.datasets.sources import open_data_set

MEMORY_LIMIT_GIB = 2.0
KIB_A_GIB = 1 << 20
PREPARE_RATIO_LIMIT = 2.0
"""How much longer `prepare` may take than its bare parts: 1.6 was measured."""
LOOK_SECONDS = 0.05
WRITTEN_AT_ONCE = 1 << 24
PREPARE = "--prepare"
TABLE_WIDTH = 120


class Case(NamedTuple):
    """One row: data set, arguments of the program, and the limit in seconds on the clock (None: a ratio)."""

    name: str
    data_set: str
    arguments: tuple[str, ...]
    limit: float | None


CASES = (
    Case("check-data, what evaluate asks for", "cuhk_sysu", ("check-data",), 60.0),
    Case("check-data, all six galleries", "cuhk_sysu", ("check-data", "--all-galleries"), 180.0),
    Case("check-data", "prw", ("check-data",), 60.0),
    Case("prepare", "cuhk_sysu", (PREPARE,), None),
    Case("prepare", "prw", (PREPARE,), None),
)


class Measured(NamedTuple):
    """What a run took: seconds on the clock and on the CPU, and the most memory of its processes together."""

    seconds: float
    cpu_seconds: float
    peak_gib: float


class Parts(NamedTuple):
    """Seconds on the clock of what `prepare` cannot do without; `reading` is that of all annotations."""

    decoding: float
    writing: float
    reading: float = 0.0


def run(command: list[str]) -> Measured:
    """Run a program and watch its memory. Raises `CalledProcessError` where it fails."""
    before, begin = _cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _memory_gib(process.pid))
        time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Measured(time.perf_counter() - begin, _cpu_of_children() - before, peak)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory_gib(pid: int) -> float:
    """Return the memory of a process and of those below it; pages that they share are shared out (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended in the meantime
        return 0.0
    own = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / KIB_A_GIB
    return own + sum(_memory_gib(int(child)) for child in children)


def bare_parts(data_set: str, root: Path, beside: Path) -> Parts:
    """Time reading and decoding of all pictures, and writing of as many bytes with their SHA-256."""
    pictures = sorted(open_data_set(data_set, root).images.iterdir())
    begin = time.perf_counter()
    sizes = list(in_processes(lambda index: len(read_jpeg(pictures[index])), range(len(pictures))))
    decoded = time.perf_counter()
    with (beside / "bytes").open("wb") as file:
        for start in range(0, sum(sizes), WRITTEN_AT_ONCE):
            content = start.to_bytes(8, "little") * (WRITTEN_AT_ONCE // 8)
            hashlib.sha256(content)
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    written = time.perf_counter()
    (beside / "bytes").unlink()
    return Parts(decoded - begin, written - decoded)


def measure(case: Case, root: Path, beside: Path) -> tuple[Measured, Parts | None]:
    """Run one row; for `prepare` its parts too."""
    if case.arguments[0] != PREPARE:
        program = [sys.executable, "-m", "commands.main", *case.arguments]
        return run([*program, "--dataset", case.data_set, "--root", str(root)]), None
    parts, to = bare_parts(case.data_set, root, beside), beside / "prepared"
    shutil.rmtree(to, ignore_errors=True)
    program = [sys.executable, "-m", "benchmarks.full_size_data", PREPARE, case.data_set, str(root), str(to)]
    measured = run(program)
    shutil.rmtree(to)
    return measured, parts


def table(rows: list[tuple[Case, Measured, Parts | None]]) -> Table:
    """Return all measurements beside their limits."""
    shown = Table(title=f"data sets of real size, {os.cpu_count()} cores")
    for title in ("", "clock s", "limit", "CPU s", "decoding s", "writing s", "reading s", "memory GiB"):
        shown.add_column(title, justify="right" if title else "left")
    for case, measured, parts in rows:
        shown.add_row(
            f"{case.data_set}: {case.name}",
            f"{measured.seconds:.1f}",
            f"<= {_limit(case, parts):.0f}",
            f"{measured.cpu_seconds:.1f}",
            f"{parts.decoding:.1f}" if parts else "",
            f"{parts.writing:.1f}" if parts else "",
            f"{parts.reading:.1f}" if parts else "",
            f"{measured.peak_gib:.2f} (< {MEMORY_LIMIT_GIB:g})",
        )
    return shown


def _limit(case: Case, parts: Parts | None) -> float:
    return case.limit or PREPARE_RATIO_LIMIT * sum(parts or ())


def _main(folder: Path) -> int:
    roots = dict(made(folder))
    rows: list[tuple[Case, Measured, Parts | None]] = []
    for case in CASES:
        click.echo(f"{case.data_set}: {case.name} ...", err=True)
        measured, parts = measure(case, roots[case.data_set], folder)
        if parts:
            checks = [check.seconds for other, check, _ in rows if other.data_set == case.data_set]
            parts = parts._replace(reading=max(checks))
        rows.append((case, measured, parts))
    Console(width=TABLE_WIDTH).print(table(rows))
    over = [
        case
        for case, measured, parts in rows
        if measured.seconds > _limit(case, parts) or measured.peak_gib >= MEMORY_LIMIT_GIB
    ]
    return 1 if over else 0


@contextmanager
def working_folder(folder: Path | None, keep: bool) -> Iterator[Path]:
    """Yield a folder; where none is given, a temporary one, which is removed at the end unless it is kept."""
    if folder is not None:
        yield folder
        return
    temporary = Path(tempfile.mkdtemp(prefix="full-size-data-"))
    try:
        yield temporary
    finally:
        if keep:
            click.echo(f"{temporary}: kept")
        else:
            shutil.rmtree(temporary)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--keep", is_flag=True, help="Keep the temporary folder; one that is given is always kept.")
def main(folder: Path | None, keep: bool) -> None:
    """Measure `check-data` and `prepare` on trees of real size below FOLDER; they take 3 GB while it runs.

    Without FOLDER, they lie in a temporary folder (TMPDIR says where).
    """
    with working_folder(folder, keep) as place:
        sys.exit(_main(place))


if __name__ == "__main__":
    if sys.argv[1:2] == [PREPARE]:
        prepare(open_data_set(sys.argv[2], Path(sys.argv[3])), Path(sys.argv[4]), lambda *_: None)
    else:
        main()
