"""The table by box (ours): one row of unit length for each training box, of unlabelled people too.

It lies on disk in float16, with how many rows each scene has. A file of level `both` holds the identity
table of `pipeline/lookup_table.py` beside it. A row's number is its scene's offset plus the place of its box
in `Scene.boxes`. A file with views (see `pipeline/batches/views.py`) has a row of each box in each view:
first those of all boxes in the picture itself, then those in the next view, and so on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import restoring
from pipeline.basics.hdf5 import UNREADABLE, open_hdf5, why_unreadable, writing_hdf5
from pipeline.lookup_table import (
    LEVELS_VERSION,
    MAKE,
    VIEWS_VERSION,
    Level,
    LookupTable,
    Matrix,
    check_table_is_there,
    level_in,
    make_command,
    projection_in,
    put_identity_rows,
    put_projection,
    refuse_misfit,
)
from pipeline.scenes.scene import IntArray
from pipeline.scenes.views import PLAIN_VIEW, Views

BLOCK = 1024
"""Rows in a chunk of the file, and in a block that is checked."""
UNIT_TOLERANCE = 2e-3
"""How far the length of a row may be from 1: float16 moves it by up to 5e-4."""
VIEWS = "views"
"""The array of a file whose boxes are seen in several views, and of no other file."""
Rows = npt.NDArray[np.float16]


@dataclass(frozen=True)
class TableOrigin:
    """What a table was made from: the prepared data set's name and fingerprint, the hash of the teacher."""

    dataset: str
    dataset_sha256: str
    teacher_sha256: str


@dataclass(frozen=True)
class BoxTable:
    """The table and its origin.

    Attributes:
        features: `[V * N, D]` float16, one row of unit length for each of N training boxes in each view.
        offsets: `[S + 1]` int64; the boxes of scene s have the rows `offsets[s] : offsets[s + 1]`, in
            view v those from `v * N` on.
        origin: what it was made from.
        views: see `Views`; None for the pictures themselves alone, which is V = 1.
    """

    features: Rows
    offsets: IntArray
    origin: TableOrigin
    views: Views | None = None


class BoxTableWriter:
    """Takes the rows of a table in order, block by block; see `writing_box_table`."""

    def __init__(self, rows: h5py.Dataset, file: h5py.File) -> None:
        self._rows, self._file = rows, file
        self._taken, self._written = 0, 0
        self._waiting: list[Rows] = []

    def append(self, features: npt.NDArray[np.floating]) -> None:
        """Take the next rows, and bring each to unit length.

        Args:
            features: `[n, D]`, of any length but 0.

        Raises:
            UserError: a row is zero or not finite, or the rows are of another D or more than there are boxes.
        """
        boxes, dim = self._rows.shape
        if features.ndim != 2 or features.shape[1] != dim:
            raise UserError(f"the teacher gave features {list(features.shape)}, the table has [N, {dim}]")
        if self._taken + len(features) > boxes:
            raise UserError(f"the teacher gave features of more than the {self._wanted()}")
        vectors = features.astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        lost = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
        if len(lost):
            raise UserError(
                f"the teacher's feature of box {self._taken + lost[0]} is zero or not finite, "
                f"{len(lost)} of {len(features)} here; such a teacher cannot be learned from"
            )
        self._waiting.append((vectors / lengths).astype(np.float16))
        self._taken += len(features)
        # Whole chunks, so that the file does not depend on how many rows came at a time.
        if self._taken - self._written >= BLOCK:
            self._write((self._taken - self._written) // BLOCK * BLOCK)

    def add_identities(self, table: LookupTable) -> None:
        """Let the file hold an identity table too, of the same D and origin."""
        put_identity_rows(self._file, table)
        self._file.attrs["level"] = "both"

    def finish(self) -> None:
        """Write what waits. Raises `UserError` where boxes have no row."""
        boxes = len(self._rows)
        if self._taken < boxes:
            raise UserError(f"the teacher gave features of {self._taken} of the {self._wanted()}")
        self._write(boxes - self._written)

    def _wanted(self) -> str:
        views = len(self._file[VIEWS]) if VIEWS in self._file else 1
        return f"{len(self._rows) // views} training boxes{f' in {views} views' if views > 1 else ''}"

    def _write(self, count: int) -> None:
        """Write the first `count` rows of those that wait."""
        waiting = np.concatenate(self._waiting) if self._waiting else np.empty((0, 0), np.float16)
        if count:
            self._rows[self._written : self._written + count] = waiting[:count]
        self._written += count
        self._waiting = [waiting[count:]]


@contextmanager
def writing_box_table(
    path: Path,
    offsets: IntArray,
    embedding_dim: int,
    origin: TableOrigin,
    projection: Matrix | None = None,
    views: Views | None = None,
) -> Iterator[BoxTableWriter]:
    """Give a writer that takes all rows in order; the file is there whole when the block is done.

    It has checksums and no times, so equal tables are equal files, however many rows come at a time. Memory
    is that of the file: 2 D bytes a box.

    Args:
        path: the file.
        offsets: `[S + 1]`, see `box_offsets` of `pipeline/scenes/box_rows.py`.
        embedding_dim: D.
        origin: what the rows are made from.
        projection: `[D of the teacher, D]` what the teacher's rows were multiplied with; None for nothing.
        views: see `BoxTable`.

    Raises:
        UserError: there is no box, or rows are wrong, missing or surplus; nothing is written.
    """
    boxes = int(offsets[-1]) * (1 if views is None else len(views))
    if not boxes:
        raise UserError("the training scenes have no boxes, so a table by box has no rows")
    with writing_hdf5(path) as file:
        rows = file.create_dataset(
            "box_features",
            shape=(boxes, embedding_dim),
            dtype=np.float16,
            chunks=(min(BLOCK, boxes), embedding_dim),
            fletcher32=True,
            track_times=False,
        )
        file.create_dataset(
            "box_offsets", data=offsets, chunks=offsets.shape, fletcher32=True, track_times=False
        )
        put_projection(file, projection)
        file.attrs["format_version"] = LEVELS_VERSION if views is None else VIEWS_VERSION
        if views is not None:
            file.create_dataset(VIEWS, data=views, chunks=views.shape, fletcher32=True, track_times=False)
        file.attrs["level"] = "box"
        file.attrs["dataset"] = origin.dataset
        file.attrs["dataset_sha256"] = origin.dataset_sha256
        file.attrs["teacher_sha256"] = origin.teacher_sha256
        file.attrs["embedding_dim"] = embedding_dim
        writer = BoxTableWriter(rows, file)
        yield writer
        writer.finish()


def table_level(path: Path) -> Level:
    """Return which rows a table's file holds.

    Raises:
        UserError: the file is missing, damaged, or no table of a version that this program reads.
        OSError: the system refuses to read it.
    """
    with _open(path) as file:
        return level_in(file, path)


def table_dim(path: Path) -> int:
    """Return D, the length of a table's rows, of whichever level. Raises what `table_level` raises."""
    with _open(path) as file:
        level_in(file, path)
        return int(file.attrs["embedding_dim"])


def table_projection(path: Path) -> Matrix | None:
    """Return what a table's rows were projected with, `[D of the teacher, D]`; None for nothing.

    Raises what `table_level` raises.
    """
    with _open(path) as file:
        level_in(file, path)
        return projection_in(file)


def read_box_table(path: Path) -> BoxTable:
    """Read a table by box, and check block by block that it is consistent; see `check_fits`.

    Raises:
        UserError: the file is missing, damaged, no table by box, its shapes disagree, or a row is not finite
            or not of unit length.
        OSError: the system refuses to read it.
    """
    with _open(path) as file:
        if level_in(file, path) == "identity":
            raise UserError(
                f"{path} holds one row an identity and none a box, which `boxes` learns from; "
                "set `level: box` or `both` in its entry of `tables`"
            )
        offsets = file["box_offsets"][:].astype(np.int64)
        origin = TableOrigin(
            *(str(file.attrs[name]) for name in ("dataset", "dataset_sha256", "teacher_sha256"))
        )
        views = _checked_views(path, file[VIEWS][:], len(offsets) - 1) if VIEWS in file else None
        count = 1 if views is None else len(views)
        _check_shapes(path, file["box_features"].shape, offsets, int(file.attrs["embedding_dim"]), count)
        features = _checked_rows(path, file["box_features"])
    return BoxTable(features, offsets, origin, views)


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open a table. What cannot be read within the block is a `UserError` of one line."""
    check_table_is_there(path)
    try:
        with open_hdf5(path) as file:
            yield file
    except UNREADABLE as error:
        reason = why_unreadable(path, error)
        advice = f"; {restoring(path, make_command(path))}" if reason.damaged else ""
        raise UserError(f"{path} is not a sound look-up table ({reason.text}){advice}") from None


def _checked_views(path: Path, views: Views, scenes: int) -> Views:
    """Return the views of an open file. Raises `UserError` where they are none of so many scenes."""
    sound = views.shape[1:] == (scenes, *PLAIN_VIEW.shape) and len(views) and bool(np.isfinite(views).all())
    if not sound or np.any(views[0] != PLAIN_VIEW):
        raise UserError(
            f"{path}: views {list(views.shape)} are not finite matrices 3 x 4 of {scenes} scenes, the first "
            f"of which change nothing; {restoring(path, MAKE)}"
        )
    return views.astype(np.float32)


def _check_shapes(
    path: Path, shape: tuple[int, ...], offsets: IntArray, embedding_dim: int, views: int
) -> None:
    """Raise `UserError` where the number of rows, the offsets, the number of views and D disagree."""
    sound = offsets.ndim == 1 and len(offsets) > 0 and offsets[0] == 0 and not np.any(np.diff(offsets) < 0)
    if not sound or shape != (views * int(offsets[-1]), embedding_dim):
        several = f", {views} views" if views > 1 else ""
        raise UserError(
            f"{path}: box_features {list(shape)}, box_offsets {list(offsets.shape)}{several} "
            f"and embedding_dim {embedding_dim} disagree; {restoring(path, MAKE)}"
        )


def _checked_rows(path: Path, rows: h5py.Dataset) -> Rows:
    """Read all rows `[N, D]`. Raises `UserError` where one is not finite or not of unit length."""
    features: Rows = np.empty(rows.shape, dtype=np.float16)
    for first in range(0, len(features), BLOCK):
        block = features[first : first + BLOCK]
        block[:] = rows[first : first + BLOCK]
        lengths = np.linalg.norm(block.astype(np.float32), axis=1)
        off = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))  # a NaN is off, too
        if len(off):
            raise UserError(
                f"{path}: rows are not finite or not of unit length (first: box {first + off[0]}, length "
                f"{lengths[off[0]]:.4f}); {restoring(path, MAKE)}"
            )
    return features


def check_fits(
    table: BoxTable, path: Path, dataset: str, dataset_sha256: str, offsets: IntArray, embedding_dim: int
) -> None:
    """Check that a table fits the data set and the student that learns from it.

    Args:
        table: the table, as read from `path`.
        path: names the table in messages.
        dataset: name of the prepared data set.
        dataset_sha256: its fingerprint.
        offsets: `[S + 1]` of the training scenes, see `pipeline/scenes/box_rows.py`.
        embedding_dim: size of the student's embedding.

    Raises:
        UserError: it does not fit; the message says why.
    """
    differences = []
    if table.origin.dataset != dataset:
        differences.append(f"it is of data set '{table.origin.dataset}', the data are '{dataset}'")
    if len(table.offsets) != len(offsets):
        differences.append(f"it has {len(table.offsets) - 1} scenes, the training {len(offsets) - 1}")
    elif not np.array_equal(table.offsets, offsets):
        own, other = np.diff(table.offsets), np.diff(offsets)
        scene = int(np.flatnonzero(own != other)[0])
        differences.append(f"it has {own[scene]} boxes in scene {scene}, the training {other[scene]}")
    if not differences and table.origin.dataset_sha256 != dataset_sha256:
        differences.append(
            f"it was made from another version of '{dataset}' "
            f"({table.origin.dataset_sha256[:12]}, the data are {dataset_sha256[:12]})"
        )
    refuse_misfit(path, differences, table.features.shape[1], embedding_dim)
