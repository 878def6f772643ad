"""Detections on disk: `.npz` as anybody's program can write it, and our `.h5` with the same names.

Nothing is ever unpickled. An `.h5` holds no times, so the same detections give the same bytes, and a checksum
a chunk, so a damaged file is noticed when it is read.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.hdf5 import writing_hdf5
from pipeline.evaluation.detections.detections import OPTIONAL, REQUIRED, Detections

FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
HDF5_SUFFIXES = (".h5", ".hdf5")
ARCHIVE, NUMPY_FILE = b"PK", b"\x93NUMPY"
"""What an .npz starts with, and what an .npy does; NumPy takes all else for pickled objects."""
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, OverflowError, SyntaxError)
"""What NumPy and zipfile raise of an archive with wrong bytes: encrypted, it says, or larger than memory."""


def read_detections(path: Path) -> Detections:
    """Read detections from a `.npz` or an `.h5` file.

    Raises:
        UserError: there is no such file, it is of another kind, damaged, lacks an array, or its arrays do not
            fit each other.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a .npz or .h5 file of detections")
    arrays = _read_hdf5(path) if path.suffix in HDF5_SUFFIXES else _read_npz(path)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; detections need {', '.join(REQUIRED)}")
    try:
        return Detections(**arrays)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_detections(detections: Detections, path: Path) -> None:
    """Write detections as HDF5, byte for byte the same for the same detections, whole or not at all."""
    with writing_hdf5(path, ("earliest", "v110")) as file:
        file.attrs["format_version"] = FORMAT_VERSION
        for name in (*REQUIRED, *OPTIONAL):
            array = getattr(detections, name)
            if array is not None:
                _write_array(file, name, array)


def _write_array(file: h5py.File, name: str, array: npt.NDArray[Any]) -> None:
    """Write one array with a checksum a chunk; one without rows has no chunks."""
    stored = np.char.encode(array.astype(str), "utf-8") if name.endswith("_names") else array
    if stored.dtype.itemsize == 0:
        stored = stored.astype("S1")
    if stored.size == 0:
        file.create_dataset(name, data=stored, track_times=False)
        return
    row_bytes = stored.dtype.itemsize * int(np.prod(stored.shape[1:]))
    rows = min(len(stored), max(1, CHUNK_BYTES // row_bytes))
    file.create_dataset(
        name, data=stored, chunks=(rows, *stored.shape[1:]), fletcher32=True, track_times=False
    )


def _read_hdf5(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("format_version")
            if version != FORMAT_VERSION:
                raise UserError(f"{path}: format_version is {version}, this program reads {FORMAT_VERSION}")
            arrays = {name: file[name][...] for name in (*REQUIRED, *OPTIONAL) if name in file}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{name} holds nothing")
        for name in ("gallery_names", "query_names"):
            if name in arrays:
                arrays[name] = np.char.decode(arrays[name].astype(bytes), "utf-8")
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: not a readable HDF5 file of detections, or damaged ({_line(error)})"
        ) from error
    return arrays


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as file:
        if not file.read(len(NUMPY_FILE)).startswith((ARCHIVE, NUMPY_FILE)):
            raise UserError(f"{path}: not a readable .npz of plain arrays, but a file of another kind")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise UserError(f"{path}: one bare array, not an .npz archive of named arrays")
        with archive:
            return {name: archive[name] for name in (*REQUIRED, *OPTIONAL) if name in archive.files}
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path}: not a readable .npz of plain arrays, or damaged ({_line(error)})"
        ) from error


def _line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
