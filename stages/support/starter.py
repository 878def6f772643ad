"""A stage ends with the DVC that started it, even where that was killed.

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


def end_with_dvc() -> None:
    """Have this process sent SIGTERM once DVC is gone. Without DVC, nothing is done."""
    starter = _starter() if DVC_VARIABLE in os.environ else None
    if starter is not None:
        threading.Thread(target=_watch, args=(starter,), name="watches DVC", daemon=True).start()


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


def _is_gone(starter: psutil.Process) -> bool:
    """Return whether DVC ended. If it did before we looked, its commands belong to a process that reaps."""
    try:
        if starter.name() in REAPERS:
            return True
        if starter.pid == 1:
            return not any(word in starter.name() for word in ("dvc", "python"))
        return not starter.is_running() or starter.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
