"""HDF5 files: written whole or not at all, the same bytes for the same content; read without HDF5's locks."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import h5py

from pipeline.basics.atomic import write_atomically
from pipeline.basics.file_kinds import EMPTY, HDF5, is_refused, kind_of

CHECKSUMMED = ("v110", "v110")
"""HDF5's file format from which on its own structures carry checksums too."""
UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError, OverflowError)
"""What h5py raises of a file with wrong bytes or of other content."""
NOT_CLOSED = "already open for write"
CANNOT_LOCK = "unable to lock"


class Reason(NamedTuple):
    """Why a file cannot be read: in words, and whether it is damaged, so that another copy may help."""

    text: str
    damaged: bool


@contextmanager
def writing_hdf5(path: Path, libver: tuple[str, str] = CHECKSUMMED) -> Iterator[h5py.File]:
    """Give an open HDF5 file to fill; it is written when the block is done.

    It is built in memory first, because the HDF5 library crashes the process when the disk is full.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    content = BytesIO()
    with h5py.File(content, "w", libver=libver) as file:
        yield file
    write_atomically(path, content.getbuffer())


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file for reading; all readers use this. Give errors of `UNREADABLE` to `why_unreadable`.

    HDF5's own locks are off: some disks have none, and none is needed, since a file is renamed into its place
    when it is whole.
    """
    return h5py.File(path, "r", locking=False)


def why_unreadable(path: Path, error: BaseException) -> Reason:
    """Return why opening or reading an HDF5 file failed.

    Args:
        path: the file.
        error: one of `UNREADABLE`.

    Raises:
        OSError: the file is not to blame: the system refuses to read it.
    """
    if isinstance(error, OSError) and error.errno is not None and is_refused(error):
        what = os.strerror(error.errno)
        if CANNOT_LOCK in str(error):
            what += " (HDF5 cannot lock it; unset HDF5_USE_FILE_LOCKING)"
        raise OSError(error.errno, what, str(path)) from None
    kind = kind_of(path)
    if kind == EMPTY:
        return Reason(f"it is {EMPTY}", damaged=True)
    if kind not in (None, HDF5):
        return Reason(f"it is {kind}, not {HDF5}", damaged=False)
    if is_held(path):
        return Reason("another program has it open to write; try again when it is closed", damaged=False)
    if NOT_CLOSED in str(error):
        return Reason("the program that wrote it did not close it: it still writes, or was killed", True)
    if isinstance(error, MemoryError):
        return Reason("its arrays are larger than the memory", damaged=True)
    return Reason(" ".join(str(error).split()) or type(error).__name__, damaged=True)


def is_held(path: Path) -> bool:
    """Tell whether another program has locked a file, as HDF5 does while it writes; False if unknown."""
    opened = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a disk without locks
        return False
    finally:
        os.close(opened)
    return False
