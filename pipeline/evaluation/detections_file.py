"""Detections on disk: an `.npz` or `.h5` of anybody's program, and our `.h5` with the same names.

Which of the two a file is, its first bytes say. Nothing is ever unpickled. Our `.h5` holds no times, so the
same detections give the same bytes, and a checksum a chunk, so a damaged file is noticed when it is read.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import HDF5, NPY, NPZ, check_is_file, is_refused, kind_of
from pipeline.basics.hdf5 import UNREADABLE, is_held, open_hdf5, why_unreadable, writing_hdf5
from pipeline.evaluation.as_detections import as_detections
from pipeline.evaluation.detections import OPTIONAL, REQUIRED, Array, Detections

FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, OverflowError, SyntaxError)
"""What NumPy and zipfile raise of an archive with wrong bytes: encrypted, it says, or larger than memory."""
PICKLED = "allow_pickle"
"""In NumPy's error about an array that it would have to unpickle."""


def read_detections(path: Path) -> Detections:
    """Read detections from a `.npz` or an `.h5` file.

    Raises:
        UserError: there is no such file, it is of another kind, damaged, lacks an array, or its arrays do not
            fit each other.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"{path}: no such file; give a .npz or .h5 file of detections")
    kind = kind_of(path)
    if kind == HDF5:
        arrays = _read_hdf5(path)
    elif kind == NPY:
        raise UserError(f"{path}: one bare array, not an .npz archive of named arrays")
    elif kind == NPZ:
        arrays = _read_npz(path)
    else:
        what = f"it is {kind}" if kind else "it is neither by its first bytes"
        raise UserError(f"{path}: not a readable file of detections (.npz or .h5): {what}")
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; detections need {', '.join(REQUIRED)}")
    try:
        return as_detections(arrays)
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


def _read_hdf5(path: Path) -> dict[str, Array]:
    try:
        with open_hdf5(path) as file:
            version = file.attrs.get("format_version", FORMAT_VERSION)
            if version != FORMAT_VERSION:
                raise UserError(f"{path}: format_version is {version}, this program reads {FORMAT_VERSION}")
            if "format_version" not in file.attrs and is_held(path):
                # Ours are renamed into their place; of another program's, half may be written.
                raise UserError(f"{path}: another program has it open to write; try again when it is closed")
            arrays = {name: _read_dataset(file[name]) for name in (*REQUIRED, *OPTIONAL) if name in file}
            groups = [name for name in file if not arrays and file.get(name, getclass=True) is h5py.Group]
            if groups:
                raise UserError(
                    f"{path}: the arrays must stand at the top of the file, not in its group {groups[0]!r}"
                )
            return arrays
    except UNREADABLE as error:
        reason = why_unreadable(path, error)
        or_damaged = ", or damaged" if reason.damaged else ""
        raise UserError(
            f"{path}: not a readable HDF5 file of detections{or_damaged} ({reason.text})"
        ) from error


def _read_dataset(item: h5py.Dataset | h5py.Group) -> Array:
    """Read a whole array; texts, which HDF5 keeps as bytes of fixed or of any length, as they are there."""
    name = item.name.removeprefix("/")
    if not isinstance(item, h5py.Dataset):
        raise TypeError(f"{name} is a group, not an array")
    array = item[...]
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} holds nothing")
    return array.astype(bytes) if h5py.check_string_dtype(item.dtype) and array.size else array


def _read_npz(path: Path) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    name = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in (*REQUIRED, *OPTIONAL):
                if name in archive.files:
                    arrays[name] = archive[name]
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, OSError) and is_refused(error):
            raise OSError(error.errno, error.strerror, str(path)) from None
        if PICKLED in str(error):
            raise UserError(
                f"{path}: not a readable .npz of plain arrays: {name} holds Python objects, which are never "
                "unpickled; save texts as np.array(texts, dtype=str), numbers as arrays of numbers"
            ) from None
        raise UserError(
            f"{path}: not a readable .npz of plain arrays, or damaged ({_line(error)})"
        ) from error
    return arrays


def _line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
