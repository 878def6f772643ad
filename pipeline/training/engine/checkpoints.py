"""The checkpoints of one training: written whole or not at all, checked when read, and gone at the end."""

import errno
import hashlib
import json
import re
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load, save

from pipeline.basics.atomic import write_atomically
from pipeline.training.engine.tree import flatten, unflatten

KEPT = 2
"""The newest checkpoint, and the one before it in case the newest is damaged."""
SKELETON = "skeleton"
NAME = re.compile(r"step-(?P<step>\d{8})-(?P<digest>[0-9a-f]{64})\.safetensors")


class Checkpoint(NamedTuple):
    """The state of a training after `step` steps: everything that its rest depends on."""

    step: int
    state: Any


class Checkpoints:
    """A folder of checkpoints of one training, and when a new one is due: by time, and if asked for by steps.

    The folder belongs to one training with these very inputs: see `stages/support/own_folder.py`. A
    file's name has the SHA-256 of its content, so that no damage is taken for a state.

    Args:
        folder: where they are; made when the first is written.
        seconds: from one to the next.
        steps: from one to the next; None for no limit.
    """

    def __init__(self, folder: Path, seconds: float = 300.0, steps: int | None = None) -> None:
        self.folder = folder
        self.seconds = seconds
        self.steps = steps
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Return whether the state after a step is to be kept."""
        by_steps = self.steps is not None and step % self.steps == 0
        return by_steps or time.monotonic() - self._last >= self.seconds

    def write(self, step: int, state: Any) -> None:
        """Keep the state after a step and the one before it, and remove all others.

        Later ones are removed too: a training went back from them, since one was damaged.

        Args:
            step: how many steps are done.
            state: nested dicts, lists and tuples of tensors, numbers and texts; see `tree.py`.

        Raises:
            OSError: it cannot be written; those before stay as they are.
        """
        self._last = time.monotonic()
        tensors, skeleton = flatten(state)
        content = save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            {SKELETON: json.dumps(skeleton)},
        )
        digest = hashlib.sha256(content).hexdigest()
        write_atomically(self.folder / f"step-{step:08d}-{digest}.safetensors", content)
        files = self._files()
        kept = [path for other, path in files if other <= step][:KEPT]
        for _step, path in files:
            if path not in kept:
                path.unlink()

    def newest(self, before: int | None = None) -> Checkpoint | None:
        """Return the newest undamaged checkpoint, or None. Each damaged one gives a warning.

        Args:
            before: if given, later checkpoints are left aside.

        Raises:
            OSError: a checkpoint cannot be read now but need not be damaged: permission is denied, say.
        """
        for step, path in self._files():
            if before is not None and step > before:
                continue
            content = _content(path)
            if hashlib.sha256(content).hexdigest() in path.name:
                return Checkpoint(step, _state(content))
            warnings.warn(f"{path} is damaged; going back to the checkpoint before it", stacklevel=1)
        return None

    def remove(self) -> None:
        """Remove all checkpoints and the folder."""
        for _step, path in self._files():
            path.unlink()
        for path in self.folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            path.unlink()
        with suppress(OSError):  # it was never made, or holds another device's checkpoints
            self.folder.rmdir()

    def _files(self) -> list[tuple[int, Path]]:
        """Return steps and files, newest first."""
        matches = [(NAME.fullmatch(path.name), path) for path in self.folder.glob("*.safetensors")]
        return sorted(((int(match["step"]), path) for match, path in matches if match), reverse=True)


def _content(path: Path) -> bytes:
    """Return a file's content; no bytes where a bad disk fails to read it."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def _state(content: bytes) -> Any:
    """Return the state in a checkpoint file whose SHA-256 was found right."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    try:
        return unflatten(load(content), json.loads(metadata[SKELETON]))
    except SafetensorError as error:  # not by damage: its digest is right
        raise ValueError(f"a checkpoint that was not written by this program: {error}") from error
