"""The look-up table (LUT) of ID features: build it from a teacher's embeddings, write it, read it, check it.

One unit row for each labelled training person, in HDF5; the student reads the table and never the teacher.
"""

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
UNIT_TOLERANCE = 1e-3
Average = Literal["mean_then_normalise", "normalise_then_mean"]
MAKE = "dvc repro export_lut"
ARRAYS = ("features", "person_ids", "counts")


@dataclass(frozen=True)
class LookupTable:
    """The table and where it comes from.

    Attributes:
        features: `[I, D]` float32, unit rows.
        person_ids: `[I]` int64, ascending, `0 .. I-1`.
        counts: `[I]` int64, how many boxes each row is the mean of.
        dataset: name of the data set.
        dataset_sha256: fingerprint of the prepared data set.
        teacher_sha256: hash of the teacher's weight file.
    """

    features: npt.NDArray[np.float32]
    person_ids: IntArray
    counts: IntArray
    dataset: str
    dataset_sha256: str
    teacher_sha256: str


def mean_features(
    embeddings: npt.NDArray[np.float32], person_ids: IntArray, average: Average
) -> tuple[npt.NDArray[np.float32], IntArray, IntArray]:
    """Average embeddings person by person, to unit rows.

    Which of the two averages the paper takes is unknown. Sums run in float64 and in the order given.

    Args:
        embeddings: `[N, D]` one row a box, of any length.
        person_ids: `[N]` `0 .. I-1`.
        average: `normalise_then_mean` brings each box's embedding to unit length first.

    Returns:
        `features [I, D]` unit rows, `person_ids [I]` ascending and `counts [I]`.

    Raises:
        UserError: a person's mean has no direction: it is zero, or not finite.
    """
    rows = embeddings.astype(np.float64)
    if average == "normalise_then_mean":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    ids, inverse, counts = np.unique(person_ids, return_inverse=True, return_counts=True)
    sums = np.zeros((len(ids), rows.shape[1]))
    np.add.at(sums, inverse, rows)
    means = sums / counts[:, None]
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    lost = ids[~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)]
    if len(lost):
        raise UserError(
            f"the mean embedding of {len(lost)} people is zero or not finite (first: person {lost[0]}); "
            "train the re-ID teacher again"
        )
    unit = means / lengths
    return unit.astype(np.float32), ids.astype(np.int64), counts.astype(np.int64)


def write_lookup_table(path: Path, table: LookupTable) -> None:
    """Write a table, byte for byte the same for the same content: checksums on, no times."""
    with writing_hdf5(path) as file:
        for name in ARRAYS:
            values = getattr(table, name)
            file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True, track_times=False)
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["dataset"] = table.dataset
        file.attrs["dataset_sha256"] = table.dataset_sha256
        file.attrs["teacher_sha256"] = table.teacher_sha256
        file.attrs["embedding_dim"] = table.features.shape[1]


def read_lookup_table(path: Path) -> LookupTable:
    """Read a table and check that it is sound in itself.

    Raises:
        UserError: there is no such file, it is no table of this version, a chunk is damaged, shapes disagree,
            or rows are not finite or not of unit length.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"no look-up table at {path}; make it with `{MAKE}` or get it with `dvc pull`")
    try:
        with open_hdf5(path) as file:
            table, embedding_dim = _read(file, path)
    except UNREADABLE as error:
        reason = why_unreadable(path, error)
        advice = f"; {restoring(path, MAKE)}" if reason.damaged else ""
        raise UserError(f"{path} is not a sound look-up table ({reason.text}){advice}") from None
    _check_itself(path, table, embedding_dim)
    return table


def _read(file: h5py.File, path: Path) -> tuple[LookupTable, int]:
    """Read all that a table holds, and the number of dimensions that it names."""
    if "format_version" not in file.attrs and not any(name in file for name in ARRAYS):
        raise UserError(f"{path} is not a sound look-up table, but an HDF5 file of something else")
    version = int(file.attrs["format_version"])
    if version != FORMAT_VERSION:
        raise UserError(f"{path}: look-up table of format {version}, this program reads {FORMAT_VERSION}")
    table = LookupTable(
        features=file["features"][:].astype(np.float32),
        person_ids=file["person_ids"][:].astype(np.int64),
        counts=file["counts"][:].astype(np.int64),
        dataset=str(file.attrs["dataset"]),
        dataset_sha256=str(file.attrs["dataset_sha256"]),
        teacher_sha256=str(file.attrs["teacher_sha256"]),
    )
    return table, int(file.attrs["embedding_dim"])


def check_fits(
    table: LookupTable, path: Path, dataset: str, dataset_sha256: str, identities: int, embedding_dim: int
) -> None:
    """Check a table against the data set and the student that it is to teach.

    Args:
        table: as read from `path`.
        path: for the message.
        dataset: name of the prepared data set.
        dataset_sha256: its fingerprint.
        identities: number of labelled training people.
        embedding_dim: size of the student's embedding.

    Raises:
        UserError: it does not fit; the line says in what.
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
    if found_dim != embedding_dim:
        differences.append(f"its rows have {found_dim} dimensions, the student's embedding {embedding_dim}")
    if not differences and table.dataset_sha256 != dataset_sha256:
        differences.append(
            f"it was made from another version of '{dataset}' "
            f"({table.dataset_sha256[:12]}, the data are {dataset_sha256[:12]})"
        )
    if differences:
        raise UserError(
            f"{path} does not fit: {'; '.join(differences)}; make it again with `dvc repro export_lut`"
        )


def _check_itself(path: Path, table: LookupTable, embedding_dim: int) -> None:
    rows = len(table.person_ids)
    shapes = (table.features.shape, table.person_ids.shape, table.counts.shape)
    if shapes != ((rows, embedding_dim), (rows,), (rows,)):
        features, person_ids, counts = map(list, shapes)
        raise UserError(
            f"{path}: features {features}, person_ids {person_ids}, counts {counts} "
            f"and embedding_dim {embedding_dim} disagree; {restoring(path, MAKE)}"
        )
    if not np.all(np.isfinite(table.features)):
        bad = table.person_ids[~np.isfinite(table.features).all(axis=1)]
        raise UserError(
            f"{path}: {len(bad)} rows are not finite (first: person {bad[0]}); {restoring(path, MAKE)}"
        )
    if np.any(np.diff(table.person_ids) <= 0):
        raise UserError(f"{path}: person_ids are not ascending; {restoring(path, MAKE)}")
    lengths = np.linalg.norm(table.features.astype(np.float64), axis=1)
    bent = np.abs(lengths - 1) > UNIT_TOLERANCE
    if bent.any():
        first = int(np.flatnonzero(bent)[0])
        raise UserError(
            f"{path}: {int(bent.sum())} rows are not of unit length (first: person "
            f"{table.person_ids[first]}, length {lengths[first]:.4f}); {restoring(path, MAKE)}"
        )
