"""Doing many equal things in several processes, with the results in their order."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from pipeline.basics.errors import UserError

ITEMS_PER_PROCESS = 32
"""With fewer items for each process, starting it costs more than it gains."""
AT_ONCE = 4
"""How many items a process takes at a time."""
AHEAD = 4
"""How many times `AT_ONCE` items are given to each process before the first result of them is taken."""
PATIENCE = 5.0
"""Seconds without a result after which it is checked whether the processes still live."""
LOOK_SECONDS = 0.5
"""How often a process looks whether the one that started it is still there; and that of `meanwhile`."""

Result = TypeVar("Result")

_function: Callable[[int], Any]
"""In a started process: what it calls. Forking hands it over as it is, with all that it has computed."""


def in_processes(
    function: Callable[[int], Result],
    indices: range,
    *,
    items_per_process: int = ITEMS_PER_PROCESS,
    at_once: int = AT_ONCE,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield `function(index)` for each index in order, computed in as many processes as there are cores.

    Where a system cannot fork, everything is computed in this process.

    Args:
        function: must not depend on the order of the calls; its results and errors pass between processes.
        indices: what it is called with.
        items_per_process: with fewer items for each process, fewer are started.
        at_once: how many items a process takes at a time.
        meanwhile: called twice a second while a result is waited for.

    Raises:
        Exception: what the function raises for the first index that fails; a few results before may be lost.
        UserError: one of the processes was killed.
    """
    processes = min(os.cpu_count() or 1, len(indices) // items_per_process)
    if processes < 2 or "fork" not in get_all_start_methods():
        yield from map(function, indices)
        return
    parts = [indices[start : start + at_once] for start in range(0, len(indices), at_once)]
    waiting: deque[Future[list[Result]]] = deque()
    before = set(active_children())
    with ProcessPoolExecutor(processes, get_context("fork"), _start, (function, os.getpid())) as pool:
        try:
            waiting.append(pool.submit(_call, parts[0]))
            started = set(active_children()) - before
            for part in parts[1:]:
                waiting.append(pool.submit(_call, part))
                if len(waiting) == AHEAD * processes:
                    yield from _result(waiting.popleft(), started, meanwhile)
            while waiting:
                yield from _result(waiting.popleft(), started, meanwhile)
        except BaseException as error:  # of the function, or Ctrl-C, or nobody takes the results any more
            _kill(pool, set(active_children()) - before)
            if isinstance(error, BrokenProcessPool):
                raise UserError(
                    "a process that reads or draws the data set was killed (was memory short?); run it again"
                ) from None
            raise


def _result(
    future: "Future[Result]", started: set[BaseProcess], meanwhile: Callable[[], None] | None
) -> Result:
    """Wait for a result, and call `meanwhile` now and then.

    Raises:
        BrokenProcessPool: a process was killed. The pool says so itself, unless that process was sending a
            result: then the pool waits for the rest of it, and only this function finds out.
    """
    while not wait([future], LOOK_SECONDS if meanwhile else PATIENCE).done:
        if meanwhile:
            meanwhile()
        if not started <= set(active_children()):
            raise BrokenProcessPool
    return future.result()


def _kill(pool: ProcessPoolExecutor, processes: set[BaseProcess]) -> None:
    """End the pool's processes at once, whatever they are doing."""
    for process in processes:
        process.kill()
    # The pool's thread may be in the middle of a result. It gives up when the sending end is closed
    # everywhere: in the processes, which are gone, and in this one. Python has no public way to that end.
    results: Any = getattr(pool, "_result_queue", None)
    if results is not None:
        results._writer.close()


def _start(function: Callable[[int], Any], starter: int) -> None:
    global _function  # noqa: PLW0603 (the one way to hand over what is not sent with each part)
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits; it ends these
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(starter,), daemon=True).start()


def _end_with(starter: int) -> None:
    """End this process once the one that started it was killed: nobody takes the results, or a complaint."""
    while os.getppid() == starter:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _call(part: range) -> list[Any]:
    return [_function(index) for index in part]
