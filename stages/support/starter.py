"""A stage ends with the DVC that started it, and a process of a stage with the stage, even after a kill.

Otherwise a training would go on alone, and the next `dvc repro` would find its stage locked.
"""

import os
import signal
import threading
import time

import psutil

DVC_VARIABLE = "DVC_STAGE"
"""DVC sets it for the commands that it runs."""
SHELLS = ("sh", "dash", "bash", "zsh", "ksh", "fish", "cmd.exe")
"""DVC runs a command in the user's; some stay between it and the command."""
REAPERS = ("systemd", "init", "tini", "dumb-init", "catatonit")
"""What takes over the processes whose parent ended, where it is not the first process."""
SECONDS = 0.5
GRACE = 60.0
"""Seconds in which a training may end its step and keep its state. One whose step never ends, since it waits
for the device of a training process that was killed, ends without."""


def end_with_dvc() -> None:
    """Have this process sent SIGTERM once DVC is gone, and SIGKILL later. Without DVC, nothing is done."""
    starter = _starter() if DVC_VARIABLE in os.environ else None
    if starter is not None:
        _end_with(starter)


def end_with_parent() -> None:
    """Have this process sent SIGTERM once the process that started it is gone, and SIGKILL later."""
    parent = psutil.Process().parent()
    if parent is not None:
        _end_with(parent)


def _end_with(other: psutil.Process) -> None:
    threading.Thread(target=_watch, args=(other,), name=f"watches {other.pid}", daemon=True).start()


def _starter() -> psutil.Process | None:
    """Return the nearest process above this one that is no shell."""
    try:
        return next((above for above in psutil.Process().parents() if above.name() not in SHELLS), None)
    except psutil.Error:  # it went while we looked, or is not ours to look at
        return None


def _watch(starter: psutil.Process) -> None:
    while not _is_gone(starter):
        time.sleep(SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_gone(starter: psutil.Process) -> bool:
    """Return whether it ended. If it did before we looked, its commands belong to a process that reaps."""
    try:
        if starter.name() in REAPERS:
            return True
        if starter.pid == 1:
            return not any(word in starter.name() for word in ("dvc", "python"))
        return not starter.is_running() or starter.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
