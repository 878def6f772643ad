"""A stage ends with the DVC that started it, and a process of a stage with the stage, even after a kill.

Otherwise a training would go on alone, and the next `dvc repro` would find its stage locked.
"""

import os
import signal
import threading
import time

import psutil

from pipeline.basics.launchers import DVC_VARIABLE

REAPERS = ("systemd", "init", "tini", "dumb-init", "catatonit")
"""What takes over the processes whose parent ended, where it is not the first process."""
SECONDS = 0.5
GRACE = 60.0
"""Seconds that a training has to end its step and write a checkpoint. A step that waits for another process
of the training, which was killed, never ends: then this process ends without a checkpoint."""


def end_with_dvc() -> None:
    """Send this process SIGTERM once DVC is gone, and SIGKILL later. Without DVC, nothing is done.

    The same happens once a process between DVC and this one is gone: a shell, or the one that started this.
    """
    if DVC_VARIABLE in os.environ:
        _end_with(_up_to_dvc())


def end_with_parent() -> None:
    """Send this process SIGTERM once the process that started it is gone, and SIGKILL later."""
    _end_with(psutil.Process().parents()[:1])


def _up_to_dvc() -> list[psutil.Process]:
    """Return the processes above this one up to DVC: the first whose environment lacks DVC's variable."""
    found = []
    for above in psutil.Process().parents():
        found.append(above)
        try:
            if DVC_VARIABLE not in above.environ():
                break
        except psutil.Error:  # it went while we looked, or is not ours to look at
            break
    return found


def _end_with(others: list[psutil.Process]) -> None:
    threading.Thread(target=_watch, args=(others,), name="watches what started it", daemon=True).start()


def _watch(others: list[psutil.Process]) -> None:
    while not any(_is_gone(other) for other in others):
        time.sleep(SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_gone(other: psutil.Process) -> bool:
    """Tell whether a process has ended. If it had before we looked, `other` has taken over its children."""
    try:
        if other.name() in REAPERS:
            return True
        if other.pid == 1:
            return not any(word in other.name() for word in ("dvc", "python"))
        return not other.is_running() or other.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
