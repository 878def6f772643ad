"""Detections on disk: `.npz` and `.h5` files of any program are read, `.h5` files are written.

The first bytes of a file tell its kind. Nothing is ever unpickled. A file that is written holds no times, so
the same detections give the same bytes. Each chunk has a checksum, so damage is noticed on reading.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import HDF5, NPY, NPZ, check_is_file, is_refused, kind_of
from pipeline.basics.hdf5 import UNREADABLE, is_held, open_hdf5, why_unreadable, writing_hdf5
from pipeline.evaluation.detections import (
    BOX_AND_SCORE,
    INTEGERS,
    LISTS_OF_FLOATS,
    OPTIONAL,
    REQUIRED,
    Array,
    Detections,
)

FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
LARGEST_WHOLE = 2.0**53
"""Up to this number a float64 can hold every whole number."""
DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, OverflowError, SyntaxError)
"""What NumPy and zipfile raise for wrong bytes, which may look like encryption or like a huge array."""
PICKLED = "allow_pickle"
"""A word of NumPy's error about an array that it would have to unpickle."""


def read_detections(path: Path) -> Detections:
    """Read detections from a `.npz` or an `.h5` file.

    Raises:
        UserError: the file is missing, of another kind or damaged, or its arrays are missing, wrong, or do
            not fit each other.
        OSError: the system refuses to read the file.
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
        return _as_detections(arrays)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_detections(detections: Detections, path: Path) -> None:
    """Write detections as HDF5, whole or not at all. Equal detections give equal bytes."""
    with writing_hdf5(path, ("earliest", "v110")) as file:
        file.attrs["format_version"] = FORMAT_VERSION
        for name in (*REQUIRED, *OPTIONAL):
            array = getattr(detections, name)
            if array is not None:
                _write_array(file, name, array)


def _write_array(file: h5py.File, name: str, array: npt.NDArray[Any]) -> None:
    """Write one array, each chunk with a checksum. An array without rows has no chunks."""
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
                # Our own files are complete when they appear; a file of another program may be half written.
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
    """Read a whole array. Texts stay bytes, as HDF5 keeps them."""
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


def _as_detections(arrays: Mapping[str, Array]) -> Detections:
    """Return detections from arrays by name, as any program may write them.

    Texts may be bytes in UTF-8. Whole numbers may have any width, or be floats. Any byte order is read. An
    array without rows may have the shape `[0]`, like `np.array([])`. Floats keep their width.

    Raises:
        UserError: an array has the wrong type, shape or values, or the arrays do not fit each other.
    """
    taken = {name: _native(array) for name, array in arrays.items()}
    features = taken.get("query_feats")
    width = features.shape[1] if features is not None and features.ndim == 2 else 0
    for name, array in taken.items():
        if name.endswith("_names"):
            taken[name] = _texts(name, array)
        elif name.endswith(INTEGERS):
            taken[name] = _whole_numbers(name, array)
        elif array.shape == (0,) and name not in LISTS_OF_FLOATS:
            columns = BOX_AND_SCORE if name.endswith("_dets") else width
            taken[name] = np.zeros((0, columns), array.dtype if array.dtype.kind == "f" else np.float64)
    return Detections(**taken)


def _native(array: Array) -> Array:
    """Return an array in this machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _texts(name: str, array: Array) -> Array:
    """Return names as texts, decoded from UTF-8 where they are bytes."""
    if array.shape == (0,):
        return array if array.dtype.kind == "U" else np.zeros(0, dtype=np.str_)
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        first = next(text for text in array.ravel() if not _is_utf8(text))
        raise UserError(f"detections: {name} must be UTF-8, which {bytes(first)!r} is not") from error


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _whole_numbers(name: str, array: Array) -> Array:
    """Return whole numbers of any type as int64. `Detections` refuses arrays of other types."""
    if array.dtype.kind == "f" and array.ndim == 1:
        # NaN compares false, so it is caught by the negated comparison.
        wrong = ~(np.abs(array) <= LARGEST_WHOLE) | (array != np.round(array))
        if wrong.any():
            raise UserError(f"detections: {name} must be whole numbers, not {array[wrong][0]}")
        return array.astype(np.int64)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise UserError(f"detections: {name} holds a number beyond 2^63 ({array.max()})")
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
