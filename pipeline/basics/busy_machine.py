"""How a network's threads wait for one another, so that a busy machine does not slow it down many times over.

PyTorch's CPU threads meet at barriers. GNU OpenMP, which runs them, lets a thread that is early spin for
milliseconds in the hope that the others are near. Where other programs have the cores, the others are not
near: the thread spins away the time that they need. Two things help, and neither changes what is computed:

- Short time slices. A thread that asks Linux (6.12 or newer) for them has its turn soon after it woke up,
  and no less time in all. A spin of 2,000 turns is then good on a quiet and on a busy machine.
- Elsewhere, a spin that is chosen by what runs at the start: long where the machine is quiet, and short where
  it is busy, when it is faster to sleep and be woken at each barrier.

`make bench` measures both ways of a machine.
"""

import ctypes
import os
import platform
import statistics
import struct
import time
from pathlib import Path

SPIN_VARIABLE = "GOMP_SPINCOUNT"
WAIT_VARIABLE = "OMP_WAIT_POLICY"
SPINS = 2000
"""Turns of the waiting loop before a thread sleeps, with short time slices; the library's own are 300,000."""
QUIET_SPINS, BUSY_SPINS = 5000, 300
"""The same without short time slices, by what runs at the start."""
SLICE_NANOSECONDS = 100_000
"""The shortest time slice that Linux gives; its own default is some milliseconds."""
SCHED_ATTR = "IIQiIQQQ"
"""The kernel's `struct sched_attr`: size, policy, flags, nice, priority, slice, and two that are not ours."""
SET_AND_GET = {"x86_64": (314, 315), "aarch64": (274, 275)}
"""The numbers of the system calls `sched_setattr` and `sched_getattr`."""
THREADS = 2
"""Of a network, by default."""
RUNNING = Path("/proc/loadavg")
"""Its fourth word is how many tasks run or wait for a core, this one included: `3/145`."""
LOOKS, SECONDS = 9, 0.01
"""How often, and how many seconds apart, tasks are counted. The median counts, so a short task is no load."""


def choose_waiting() -> None:
    """Have threads wait at barriers so that neither a quiet nor a busy machine is slowed down.

    It must be called before anything imports PyTorch: GNU OpenMP reads the variable when it is loaded.
    Threads and processes that are started later inherit what is set here. Where the user has set how threads
    wait, nothing is changed.
    """
    if SPIN_VARIABLE not in os.environ and WAIT_VARIABLE not in os.environ:
        os.environ[SPIN_VARIABLE] = str(_spins())


def _spins() -> int:
    if has_short_slices():
        return SPINS
    return BUSY_SPINS if is_busy() else QUIET_SPINS


def has_short_slices() -> bool:
    """Ask for short time slices, and return whether this thread has them now."""
    return ask_for_slices(SLICE_NANOSECONDS) == SLICE_NANOSECONDS


def ask_for_slices(nanoseconds: int) -> int | None:
    """Ask Linux for time slices of a length, 0 for its own; return what this thread has, None if unknown."""
    numbers = SET_AND_GET.get(platform.machine())
    if numbers is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return None
    size, nice = struct.calcsize(SCHED_ATTR), os.getpriority(os.PRIO_PROCESS, 0)
    asked = struct.pack(SCHED_ATTR, size, os.SCHED_OTHER, 0, nice, 0, nanoseconds, 0, 0)
    given = ctypes.create_string_buffer(size)
    call = ctypes.CDLL(None).syscall
    if call(numbers[0], 0, asked, 0) or call(numbers[1], 0, given, size, 0):
        return None
    return int(struct.unpack(SCHED_ATTR, given.raw)[5])


def is_busy() -> bool:
    """Return whether other programs leave fewer cores than a network's threads need; False if unknown."""
    try:
        others = statistics.median(_running_beside() for _ in range(LOOKS))
    except (OSError, ValueError, IndexError):
        return False
    return others + THREADS > (os.cpu_count() or THREADS)


def _running_beside() -> int:
    time.sleep(SECONDS)
    return int(RUNNING.read_text().split()[3].partition("/")[0]) - 1
