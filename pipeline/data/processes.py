"""Doing many equal things in several processes, with the results in their order."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

ITEMS_PER_PROCESS = 32
"""Below so many for each process, starting it costs more than it gains."""
AT_ONCE = 4
"""How many items a process takes at a time."""

Result = TypeVar("Result")

_function: Callable[[int], Any]
"""In a started process: what it calls. Forking hands it over as it is, with all that it has computed."""


def in_processes(function: Callable[[int], Result], indices: range) -> Iterator[Result]:
    """Yield `function(index)` for each index in order, computed in as many processes as there are cores.

    Where a system cannot fork, everything is computed in this process.

    Args:
        function: must not depend on the order of the calls; its results and errors pass between processes.
        indices: what it is called with.

    Raises:
        Exception: what the function raises for the first index that fails; a few results before may be lost.
    """
    processes = min(os.cpu_count() or 1, len(indices) // ITEMS_PER_PROCESS)
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, indices)
        return
    with multiprocessing.get_context("fork").Pool(processes, _keep, (function,)) as pool:
        yield from pool.imap(_call, indices, chunksize=AT_ONCE)


def _keep(function: Callable[[int], Any]) -> None:
    global _function  # noqa: PLW0603 (the one way to hand something over that is not sent with each item)
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits; it ends these


def _call(index: int) -> Any:
    return _function(index)
