"""Where a stage keeps unfinished work, from which it goes on after an interruption, and which is its own.

It is in `checkpoints/<stage>/<fingerprint>/`, which is no output of the stage and not in git. The fingerprint
is of all that the work depends on, so that none goes on from that of other data, teachers, settings or code.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import PIL
import torch
import torchvision

from pipeline.basics.errors import UserError
from pipeline.basics.launchers import rank
from pipeline.basics.options import Options
from pipeline.devices import placement

FOLDER_VARIABLE = "PERSON_SEARCH_CHECKPOINT_DIR"
OTHERS_KEPT = 2
"""How many runs of a stage with other inputs keep their unfinished work, in case one is run again."""
OWN_PACKAGES = ("pipeline", "stages")
DIGITS = 16
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""Error numbers of a disk without locks: NFS without lock service, Lustre without `-o flock`, some FUSE."""


@contextmanager
def own_folder(stage: str, options: Options, inputs: Mapping[str, str]) -> Iterator[Path]:
    """Lock a stage's folder, and give the folder of these inputs, or of this device in it.

    Raises:
        UserError: another process is running this stage.
    """
    top = Path(os.environ.get(FOLDER_VARIABLE) or "checkpoints") / stage
    with _only_one(top, stage):
        folder = top / fingerprint(stage, options, inputs)
        if rank() == 0:
            _drop_old(top, folder)
        yield folder if rank() == 0 else folder / f"rank-{rank()}"


def fingerprint(stage: str, options: Options, inputs: Mapping[str, str]) -> str:
    """Return a short digest of all that a training depends on, the program and its libraries included.

    Device and threads belong to it: with others, the same training ends with other last bits.
    """
    everything = {
        "stage": stage,
        "options": options.model_dump(mode="json"),
        "inputs": dict(inputs),
        "code": _code_digest(),
        "placement": placement(),
        "versions": [str(torch.__version__), torchvision.__version__, np.__version__, PIL.__version__],
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:DIGITS]


def _code_digest() -> str:
    """Return a digest of the project's modules that this process has loaded: the code that it runs."""
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in OWN_PACKAGES and file:
            digest.update(name.encode() + b"\0" + Path(file).read_bytes())
    return digest.hexdigest()


@contextmanager
def _only_one(top: Path, stage: str) -> Iterator[None]:
    """Lock the stage's folder; the system frees the lock when the process ends, however it ends.

    On a disk without locks, one line warns that a second training is not noticed. A lock file would be no
    better: it stays after a kill, and nobody could tell whether its process still runs on another machine.
    """
    if rank():
        yield  # started by the process that has the lock
        return
    top.mkdir(parents=True, exist_ok=True)
    lock = os.open(top, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process is running {stage} here (it has locked {top}); wait for it, or stop it"
            ) from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise OSError(error.errno, error.strerror, str(top)) from None
            click.echo(
                f"{stage}: the disk of {top} has no locks: start no second training of it there, "
                "it would not be noticed",
                err=True,
            )
        yield
    finally:
        os.close(lock)


def _drop_old(top: Path, own: Path) -> None:
    """Remove the checkpoints of trainings with other inputs, except for the newest `OTHERS_KEPT`."""
    others = sorted((path for path in top.iterdir() if path.is_dir() and path != own), key=_changed)
    for path in others[: -OTHERS_KEPT or None]:
        shutil.rmtree(path)


def _changed(path: Path) -> float:
    return path.stat().st_mtime
