"""Writing a file so that it is there whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What `fsync` says on a disk that does not have it (CIFS and some FUSE for folders)."""
CANNOT_SYNC_FOLDER = (*CANNOT_SYNC, errno.EBADF, errno.EACCES, errno.EPERM)
"""Also what systems say of a folder that may be written to but not opened to read."""
NAME_LETTERS = 50
"""A name of 255 bytes is as long as a disk takes: so much of it is in that of the file beside."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes `path`'s place if all goes well, and goes otherwise.

    It is on the disk before it takes the place: where the power fails, one of the two files is there whole.
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
        # A write that fails, on a full disk say, does not say of which file; nobody knows the one beside.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | memoryview | str) -> None:
    """Write a whole file; text as UTF-8 with `\\n` line ends."""
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def _to_disk(path: Path, no_failure: tuple[int, ...]) -> None:
    """Wait until a file's content, or which files a folder has, is on the disk; some disks do not say."""
    try:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in no_failure:
            raise
