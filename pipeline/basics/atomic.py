"""Writing a file so that it is there whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Error numbers of `fsync` on a disk that does not support it (CIFS, and some FUSE for folders)."""
CANNOT_SYNC_FOLDER = (*CANNOT_SYNC, errno.EBADF, errno.EACCES, errno.EPERM)
"""The same for a folder; a folder that may be written to but not read has more of them."""
NAME_LETTERS = 50
"""How many letters of a file's name the file beside it has in its own: a disk takes 255 bytes at most."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to. When the block is done, that file replaces `path`.

    After an error it is removed, and `path` is as it was. The new file is on the disk before it replaces the
    old one, so that one of the two is there whole after a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name[:NAME_LETTERS]}.{os.getpid()}.tmp")
    try:
        yield beside
        _to_disk(beside, CANNOT_SYNC)
        beside.replace(path)
        _to_disk(path.parent, CANNOT_SYNC_FOLDER)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(beside)):
            raise
        # A failed write, on a full disk for instance, names no file, or the one beside, which no user knows.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | memoryview | str) -> None:
    """Write a whole file; text as UTF-8 with `\\n` line ends."""
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def _to_disk(path: Path, no_failure: tuple[int, ...]) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk, where the disk can tell."""
    try:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in no_failure:
            raise
