"""Writing HDF5 files: whole or not at all, and the same bytes for the same content."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import h5py

from pipeline.basics.atomic import write_atomically

CHECKSUMMED = ("v110", "v110")
"""HDF5's file format from which on its own structures carry checksums too."""


@contextmanager
def writing_hdf5(path: Path, libver: tuple[str, str] = CHECKSUMMED) -> Iterator[h5py.File]:
    """Give an open HDF5 file to fill; it is written when the block is done.

    It is made in memory first: where a disk gets full, the HDF5 library takes the process down with it.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    content = BytesIO()
    with h5py.File(content, "w", libver=libver) as file:
        yield file
    write_atomically(path, content.getbuffer())
