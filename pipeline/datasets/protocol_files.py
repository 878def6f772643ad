"""Several protocol files of CUHK-SYSU at once, each in a process of its own where they are large."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.checks import Findings
from pipeline.datasets.cuhk_protocols import Protocol, read_protocol
from pipeline.datasets.processes import in_processes
from pipeline.datasets.scene_index import SceneIndex

SMALL_BYTES = 1 << 20
"""Files that have no more bytes together are read in this process: that takes less than a second."""


@dataclass(frozen=True)
class ProtocolFile:
    """Where a protocol is: the file, and the variable in it."""

    path: Path
    variable: str


@dataclass
class _Read:
    """What came of one file; `error` is why it could not be read."""

    protocol: Protocol | None = None
    findings: Findings = field(default_factory=Findings)
    error: UserError | None = None


def read_protocols(
    files: Sequence[ProtocolFile], index: SceneIndex, findings: Findings, progress: Progress | None = None
) -> list[Protocol]:
    """Read protocol files side by side; the results and the findings are in the order of the files.

    Args:
        files: which.
        index: the test scenes.
        findings: where problems and notes go.
        progress: called now and then with the bytes read of all files, and their number; not for small files.

    Raises:
        UserError: a file is missing, damaged, or lacks its variable; the first of these files is named.
    """
    sizes = [file.path.stat().st_size if file.path.exists() else 0 for file in files]
    largest_first = sorted(range(len(files)), key=lambda number: -sizes[number])
    done = RawArray("q", len(files))  # bytes read of each file, written by the process that reads it
    shown = _shown(progress, done, sum(sizes)) if progress and sum(sizes) > SMALL_BYTES else None
    read = partial(_read, [files[number] for number in largest_first], index, done, shown)
    numbers = range(len(files))
    if sum(sizes) <= SMALL_BYTES:
        found = list(map(read, numbers))
    else:
        found = list(in_processes(read, numbers, items_per_process=1, at_once=1, meanwhile=shown))
    in_order = dict(zip(largest_first, found, strict=True))
    protocols = []
    for number in range(len(files)):
        one = in_order[number]
        findings.add(one.findings)
        if one.error or one.protocol is None:
            raise one.error or LookupError(files[number])
        protocols.append(one.protocol)
    return protocols


def _shown(progress: Progress, done: Any, total: int) -> Callable[[], None]:
    """Return what shows how much is done, in this process alone: others were forked from it."""
    process = os.getpid()
    return lambda: progress(sum(done), total) if os.getpid() == process else None


def _read(
    files: Sequence[ProtocolFile],
    index: SceneIndex,
    done: Any,
    shown: Callable[[], None] | None,
    number: int,
) -> _Read:
    """Read one file. The error is handed back: the first in the caller's order is raised, not in this one."""

    def report(so_far: int, _total: int) -> None:
        done[number] = so_far
        if shown:
            shown()

    file, read = files[number], _Read()
    try:
        read.protocol = read_protocol(file.path, file.variable, index, read.findings, report)
    except UserError as error:
        read.error = error
    return read
