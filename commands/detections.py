"""Detections that somebody names in a command: every error names their file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import HDF5, kind_of
from pipeline.basics.hdf5 import UNREADABLE, open_hdf5
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.detections_file import read_detections

TABLE_ROWS = ("features", "box_features")
"""Arrays one of which each table holds, and no file of detections."""
ABOUT_DETECTIONS = "detections: "


def detections_in(path: Path) -> Detections:
    """Read detections.

    Raises:
        UserError: the file holds none; where it is a table, the line says so.
        OSError: the system refuses to read it.
    """
    try:
        return read_detections(path)
    except UserError:
        if _is_table(path):
            raise UserError(
                f"{path} is a table (`person-search lut {path}` shows it), not a student's detections"
            ) from None
        raise


@contextmanager
def naming_detections(path: Path) -> Iterator[None]:
    """Put the file before an error that is about the detections in it, as where they do not fit the data."""
    try:
        yield
    except UserError as error:
        if str(error).startswith(ABOUT_DETECTIONS):
            raise UserError(f"{path}: {error}") from None
        raise


def _is_table(path: Path) -> bool:
    if not path.is_file() or kind_of(path) != HDF5:
        return False
    try:
        with open_hdf5(path) as file:
            return any(name in file for name in TABLE_ROWS)
    except UNREADABLE:
        return False
