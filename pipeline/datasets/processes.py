"""Doing many equal things in several processes, with the results in their order."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.pool import IMapIterator
from typing import Any, TypeVar

from pipeline.basics.errors import UserError

ITEMS_PER_PROCESS = 32
"""Below so many for each process, starting it costs more than it gains."""
AT_ONCE = 4
"""How many items a process takes at a time."""

PATIENCE = 5.0
"""Seconds without a result after which it is asked whether the processes still live."""

Result = TypeVar("Result")

_function: Callable[[int], Any]
"""In a started process: what it calls. Forking hands it over as it is, with all that it has computed."""
_starter: int
"""In a started process: the one that started it and waits for its results."""


def in_processes(function: Callable[[int], Result], indices: range) -> Iterator[Result]:
    """Yield `function(index)` for each index in order, computed in as many processes as there are cores.

    Where a system cannot fork, everything is computed in this process.

    Args:
        function: must not depend on the order of the calls; its results and errors pass between processes.
        indices: what it is called with.

    Raises:
        Exception: what the function raises for the first index that fails; a few results before may be lost.
        UserError: one of the processes was killed.
    """
    processes = min(os.cpu_count() or 1, len(indices) // ITEMS_PER_PROCESS)
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, indices)
        return
    before = set(multiprocessing.active_children())
    with multiprocessing.get_context("fork").Pool(processes, _keep, (function, os.getpid())) as pool:
        started = set(multiprocessing.active_children()) - before
        parts = [indices[start : start + AT_ONCE] for start in range(0, len(indices), AT_ONCE)]
        results: IMapIterator[list[Result]] = pool.imap(_call, parts)
        for _ in parts:
            yield from _next(results, started)


def _next(results: "IMapIterator[Result]", started: set[multiprocessing.process.BaseProcess]) -> Result:
    """Return the next result. The pool replaces a process that was killed, but what that had is lost."""
    while True:
        try:
            return results.next(timeout=PATIENCE)
        except multiprocessing.TimeoutError:
            if not started <= set(multiprocessing.active_children()):
                raise UserError(
                    "a process that reads or draws pictures was killed (was memory short?); run it again"
                ) from None


def _keep(function: Callable[[int], Any], starter: int) -> None:
    global _function, _starter  # the one way to hand over what is not sent with each part
    _function, _starter = function, starter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits; it ends these
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _call(part: range) -> list[Any]:
    results = [_function(index) for index in part]
    if os.getppid() != _starter:
        os._exit(1)  # It was killed: nobody takes the results, and there is nobody to complain to.
    return results
