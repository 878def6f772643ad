"""Arrays as other programs write them, to `Detections`: the same values in the types that it asks for."""

from collections.abc import Mapping

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import BOX_AND_SCORE, Array, Detections

LARGEST_WHOLE = 2.0**53
"""Up to here a float64 holds each whole number."""


def as_detections(arrays: Mapping[str, Array]) -> Detections:
    """Return detections from arrays by name.

    Names may be bytes (UTF-8). Whole numbers may be of any width, or floats. Byte order may be any. An array
    without rows may be a list of nothing, as `np.array([])` is. Floats keep their width.

    Raises:
        UserError: an array is not what it should be, or they do not fit each other.
    """
    taken = {name: _native(array) for name, array in arrays.items()}
    features = taken.get("query_feats")
    width = features.shape[1] if features is not None and features.ndim == 2 else 0
    for name, array in taken.items():
        if name.endswith("_names"):
            taken[name] = _texts(name, array)
        elif name.endswith(("_counts", "_pids")):
            taken[name] = _whole_numbers(name, array)
        elif array.shape == (0,):
            columns = BOX_AND_SCORE if name.endswith("_dets") else width
            taken[name] = np.zeros((0, columns), array.dtype if array.dtype.kind == "f" else np.float64)
    return Detections(**taken)


def _native(array: Array) -> Array:
    """Return an array in this machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _texts(name: str, array: Array) -> Array:
    """Return names as texts; bytes are UTF-8."""
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
    """Return whole numbers of any type as int64; what is none is left for `Detections` to refuse."""
    if array.dtype.kind == "f" and array.ndim == 1:
        wrong = ~(np.abs(array) <= LARGEST_WHOLE) | (array != np.round(array))  # NaN too
        if wrong.any():
            raise UserError(f"detections: {name} must be whole numbers, not {array[wrong][0]}")
        return array.astype(np.int64)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise UserError(f"detections: {name} holds a number beyond 2^63 ({array.max()})")
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
