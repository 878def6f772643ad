"""The look-up table (LUT) of ID features: build it from a teacher's embeddings, write it, read it, check it.

Each row, of unit length, is the ID feature of one labelled training person. The table is an HDF5 file; the
student reads it and never the teacher, which is a re-ID model or an end-to-end network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file, restoring
from pipeline.basics.hdf5 import UNREADABLE, open_hdf5, why_unreadable, writing_hdf5
from pipeline.scenes.scene import IntArray

FORMAT_VERSION = 1
LEVELS_VERSION = 2
"""The format of a file with rows by box, see `pipeline/box_table.py`; it may hold identity rows as well."""
VIEWS_VERSION = 3
"""The format of a file with rows by box in several views, which older programs would take for other boxes."""
Level = Literal["identity", "box", "both"]
"""Whether a file holds a row for each identity, for each box, or both."""
UNIT_TOLERANCE = 1e-3
"""How far the length of a row may be from 1."""
Average = Literal["mean_then_normalise", "normalise_then_mean"]
MAKE = "dvc repro export_lut"
"""The command that makes the tables of params.yaml, each of them `artifacts/<name>.h5`."""
KEEP = "python -m stages.train_student --keep-table"
"""The command that makes a student's own table, whose name ends with `KEPT`."""
KEPT = "_table.h5"
ARRAYS = ("features", "person_ids", "counts")
PROJECTION = "projection"
"""The array of a file whose rows are a teacher's in fewer dimensions, and of no other file."""
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LookupTable:
    """The table and its origin.

    Attributes:
        features: `[I, D]` float32, one row of unit length for each identity.
        person_ids: `[I]` int64, ascending, `0 .. I-1`: the identity of each row.
        counts: `[I]` int64, the number of boxes that each row is made of.
        dataset: name of the data set.
        dataset_sha256: fingerprint of the prepared data set.
        teacher_sha256: hash of the teacher's weight file.
        projection: `[D of the teacher, D]` what the teacher's rows were multiplied with; None for nothing.
    """

    features: Matrix
    person_ids: IntArray
    counts: IntArray
    dataset: str
    dataset_sha256: str
    teacher_sha256: str
    projection: Matrix | None = None


class IdentitySums:
    """The embeddings of each person's boxes, added up block by block, to be averaged.

    The paper does not say which of the two averages it takes. Sums are in float64, in the order given, so
    they do not depend on the blocks.

    Args:
        average: `normalise_then_mean` brings each embedding to unit length before the mean too.
    """

    def __init__(self, average: Average) -> None:
        self._average = average
        self._sums: npt.NDArray[np.float64] = np.zeros((0, 0))
        self._counts: IntArray = np.zeros(0, dtype=np.int64)

    def add(self, embeddings: Matrix, person_ids: IntArray) -> None:
        """Add the embeddings `[n, D]` of boxes, not normalised, of the people `[n]`, each 0 or more."""
        vectors = embeddings.astype(np.float64)
        if self._average == "normalise_then_mean":
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.maximum(lengths, np.finfo(np.float64).tiny)  # an embedding of zeros stays one
        self._make_room(int(person_ids.max(initial=-1)) + 1, vectors.shape[1])
        self._counts += np.bincount(person_ids, minlength=len(self._counts))
        np.add.at(self._sums, person_ids, vectors)

    def _make_room(self, people: int, dim: int) -> None:
        """Make room for so many people, and for a half more than there was, so that it is made seldom."""
        room = len(self._counts)
        if people > room or dim != self._sums.shape[1]:
            more = max(people, room + room // 2) - room
            self._counts = np.pad(self._counts, (0, more))
            self._sums = np.pad(self._sums, ((0, more), (0, dim - self._sums.shape[1])))

    def means(self) -> tuple[Matrix, IntArray, IntArray]:
        """Return the means, of unit length.

        Returns:
            `features` `[I, D]` of unit length, `person_ids` `[I]` ascending, and `counts` `[I]`.

        Raises:
            UserError: the mean of some people is zero or not finite, so it has no direction.
        """
        ids = np.flatnonzero(self._counts)
        counts = self._counts[ids]
        means = self._sums[ids] / counts[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        lost = ids[~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)]
        if len(lost):
            raise UserError(
                f"the mean embedding of {len(lost)} people is zero or not finite (first: person {lost[0]}); "
                "train the teacher again"
            )
        return (means / lengths).astype(np.float32), ids.astype(np.int64), counts.astype(np.int64)


def mean_features(
    embeddings: Matrix, person_ids: IntArray, average: Average
) -> tuple[Matrix, IntArray, IntArray]:
    """Average the embeddings `[N, D]` of the boxes of people `[N]`; see `IdentitySums`."""
    sums = IdentitySums(average)
    sums.add(embeddings, person_ids)
    return sums.means()


def write_lookup_table(path: Path, table: LookupTable) -> None:
    """Write a table with checksums and without times, so that equal tables give equal files."""
    with writing_hdf5(path) as file:
        put_identity_rows(file, table)
        put_projection(file, table.projection)
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["dataset"] = table.dataset
        file.attrs["dataset_sha256"] = table.dataset_sha256
        file.attrs["teacher_sha256"] = table.teacher_sha256
        file.attrs["embedding_dim"] = table.features.shape[1]


def put_identity_rows(file: h5py.File, table: LookupTable) -> None:
    """Put the arrays of a table into an open file, without its origin."""
    for name in ARRAYS:
        values = getattr(table, name)
        file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True, track_times=False)


def put_projection(file: h5py.File, projection: Matrix | None) -> None:
    """Put `[D of the teacher, D]` into an open file; None for nothing."""
    if projection is not None:
        file.create_dataset(
            PROJECTION, data=projection, chunks=projection.shape, fletcher32=True, track_times=False
        )


def projection_in(file: h5py.File) -> Matrix | None:
    """Return what the rows of an open file were projected with, `[D of the teacher, D]`; None for nothing."""
    return file[PROJECTION][:].astype(np.float32) if PROJECTION in file else None


def read_lookup_table(path: Path) -> LookupTable:
    """Read a table and check that it is consistent; `check_fits` compares it with the data set.

    Raises:
        UserError: the file is missing, damaged, no table of this version, its shapes disagree, or a row is
            not finite or not of unit length.
        OSError: the system refuses to read it.
    """
    check_table_is_there(path)
    try:
        with open_hdf5(path) as file:
            table, embedding_dim = _read(file, path)
    except UNREADABLE as error:
        reason = why_unreadable(path, error)
        advice = f"; {restoring(path, make_command(path))}" if reason.damaged else ""
        raise UserError(f"{path} is not a sound look-up table ({reason.text}){advice}") from None
    _check_itself(path, table, embedding_dim)
    return table


def check_table_is_there(path: Path) -> None:
    """Check that a table's file is there and can be opened. Raises what `check_is_file` raises."""
    entry = "" if path.name.endswith(KEPT) else f" (params.yaml needs an entry '{path.stem}' in `tables`)"
    made = f"make it with `{make_command(path)}`{entry} or get it with `dvc pull`"
    check_is_file(path, f"no look-up table at {path}; {made}")


def make_command(path: Path) -> str:
    """Return the command that makes a table."""
    return KEEP if path.name.endswith(KEPT) else MAKE


def _read(file: h5py.File, path: Path) -> tuple[LookupTable, int]:
    """Read a table's content, and its attribute `embedding_dim`."""
    if level_in(file, path) == "box":
        raise UserError(
            f"{path} is a table by box and has no identity rows, which `identity` learns from; "
            "set `level: identity` or `both` in its entry of `tables`"
        )
    table = LookupTable(
        features=file["features"][:].astype(np.float32),
        person_ids=file["person_ids"][:].astype(np.int64),
        counts=file["counts"][:].astype(np.int64),
        dataset=str(file.attrs["dataset"]),
        dataset_sha256=str(file.attrs["dataset_sha256"]),
        teacher_sha256=str(file.attrs["teacher_sha256"]),
        projection=projection_in(file),
    )
    return table, int(file.attrs["embedding_dim"])


def level_in(file: h5py.File, path: Path) -> Level:
    """Return which rows an open table holds; `path` names it. Raises `UserError` where it is no table."""
    if "format_version" not in file.attrs and not any(name in file for name in ARRAYS):
        raise UserError(f"{path} is not a sound look-up table, but an HDF5 file of something else")
    version = int(file.attrs["format_version"])
    if version == FORMAT_VERSION:
        return "identity"
    if version not in (LEVELS_VERSION, VIEWS_VERSION):
        raise UserError(
            f"{path}: look-up table of format {version}, this program reads {FORMAT_VERSION} "
            f"to {VIEWS_VERSION}"
        )
    level = str(file.attrs["level"])
    if level not in ("box", "both"):
        raise UserError(f"{path}: its level is '{level}', this program knows box and both")
    return "both" if level == "both" else "box"


def check_fits(
    table: LookupTable, path: Path, dataset: str, dataset_sha256: str, identities: int, embedding_dim: int
) -> None:
    """Check that a table fits the data set and the student that learns from it.

    Args:
        table: the table, as read from `path`.
        path: names the table in messages.
        dataset: name of the prepared data set.
        dataset_sha256: its fingerprint.
        identities: number of labelled training people.
        embedding_dim: size of the student's embedding.

    Raises:
        UserError: it does not fit; the message says why.
    """
    expected = np.arange(identities)
    missing = np.setdiff1d(expected, table.person_ids)
    surplus = np.setdiff1d(table.person_ids, expected)
    found_dim = table.features.shape[1]
    differences = []
    if table.dataset != dataset:
        differences.append(f"it is of data set '{table.dataset}', the data are '{dataset}'")
    if len(missing):
        differences.append(f"{len(missing)} identities have no row (first: {missing[0]})")
    if len(surplus):
        differences.append(f"{len(surplus)} rows are of no identity (first: {surplus[0]})")
    if not differences and table.dataset_sha256 != dataset_sha256:
        differences.append(
            f"it was made from another version of '{dataset}' "
            f"({table.dataset_sha256[:12]}, the data are {dataset_sha256[:12]})"
        )
    refuse_misfit(path, differences, found_dim, embedding_dim)


def refuse_misfit(path: Path, differences: Sequence[str], found_dim: int, embedding_dim: int) -> None:
    """Refuse a table that does not fit, and say what to do.

    Args:
        path: names the table.
        differences: what a table that is made again has no more.
        found_dim: D of its rows, which making it again leaves as it is.
        embedding_dim: D of the student's embedding.

    Raises:
        UserError: there are differences, or both D are not the same.
    """
    texts, advice = list(differences), [f"make it again with `{make_command(path)}`"] if differences else []
    if found_dim != embedding_dim:
        texts.append(f"its rows have {found_dim} dimensions, the student's embedding {embedding_dim}")
        sizes = "set `network: {embedding_dim: table}` in the student's entry"
        if found_dim > embedding_dim and not path.name.endswith(KEPT):
            sizes += f", or `embedding_dim: {embedding_dim}` in the table's entry for a PCA"
        advice.append(sizes)
    if texts:
        raise UserError(f"{path} does not fit: {'; '.join([*texts, *advice])}")


def _check_itself(path: Path, table: LookupTable, embedding_dim: int) -> None:
    """Check shapes, finite values, the order of ids, and unit length. Raises `UserError`."""
    rows = len(table.person_ids)
    shapes = (table.features.shape, table.person_ids.shape, table.counts.shape)
    if shapes != ((rows, embedding_dim), (rows,), (rows,)):
        features, person_ids, counts = map(list, shapes)
        raise UserError(
            f"{path}: features {features}, person_ids {person_ids}, counts {counts} "
            f"and embedding_dim {embedding_dim} disagree; {restoring(path, make_command(path))}"
        )
    if not np.all(np.isfinite(table.features)):
        bad = table.person_ids[~np.isfinite(table.features).all(axis=1)]
        raise UserError(
            f"{path}: {len(bad)} rows are not finite (first: person {bad[0]}); "
            f"{restoring(path, make_command(path))}"
        )
    if np.any(np.diff(table.person_ids) <= 0):
        raise UserError(f"{path}: person_ids are not ascending; {restoring(path, make_command(path))}")
    lengths = np.linalg.norm(table.features.astype(np.float64), axis=1)
    off = np.abs(lengths - 1) > UNIT_TOLERANCE
    if off.any():
        first = int(np.flatnonzero(off)[0])
        raise UserError(
            f"{path}: {int(off.sum())} rows are not of unit length (first: person "
            f"{table.person_ids[first]}, length {lengths[first]:.4f}); {restoring(path, make_command(path))}"
        )
