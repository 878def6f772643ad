"""Where a training stage keeps its checkpoints, and which of them are its own.

They are in `checkpoints/<stage>/<fingerprint>/`, which is no output of the stage and not in git. The
fingerprint is of all that the training depends on, so that no training continues from a checkpoint of other
data, teachers, settings or code.
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

from pipeline.basics.environment_variables import whole_number
from pipeline.basics.errors import UserError
from pipeline.basics.launchers import rank
from pipeline.basics.options import Options
from pipeline.devices import placement
from pipeline.models.pretrained import pretrained_sha256
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.optimisation import NetworkTrainingOptions

FOLDER_VARIABLE = "PERSON_SEARCH_CHECKPOINT_DIR"
SECONDS_VARIABLE = "PERSON_SEARCH_CHECKPOINT_SECONDS"
STEPS_VARIABLE = "PERSON_SEARCH_CHECKPOINT_STEPS"
DEFAULT_SECONDS = 300
MOST = 10**9
OTHERS_KEPT = 2
"""How many trainings of a stage with other inputs keep their checkpoints, in case one is run again."""
OWN_PACKAGES = ("pipeline", "stages")
DIGITS = 16
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""Error numbers of a disk without locks: NFS without lock service, Lustre without `-o flock`, some FUSE."""


@contextmanager
def resuming(stage: str, options: NetworkTrainingOptions, inputs: Mapping[str, str]) -> Iterator[Checkpoints]:
    """Give a training its checkpoints. They are removed when the block, which writes the outputs, is done.

    After an error or a kill they stay, and the next training with the same inputs continues from the newest.

    Args:
        stage: its name, with the student.
        options: all settings of the training.
        inputs: by name, the SHA-256 of each file or data set that is read, but pretrained weights.

    Raises:
        UserError: another process is running this stage, or a variable has no usable value.
    """
    read = {**inputs, **pretrained_sha256(options.network.backbone.weights)}
    with own_folder(stage, options, read) as folder:
        seconds = whole_number(SECONDS_VARIABLE, DEFAULT_SECONDS, least=1, most=MOST)
        steps = whole_number(STEPS_VARIABLE, MOST, least=1, most=MOST)
        checkpoints = Checkpoints(folder, seconds, steps)
        newest = checkpoints.newest()
        if newest is not None and rank() == 0:
            click.echo(f"{stage}: going on after step {newest.step}, from {folder}", err=True)
        yield checkpoints
        checkpoints.remove()


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
