"""Kind `features`: embeddings of the true boxes that somebody else computed, with any program.

The file is HDF5, or NumPy's npz. It holds `features` `[N, D]`, a row for each box of the split in the order
of scenes and boxes, unlabelled people included; `scene_names` `[S]` and `box_counts` `[S]`, by which the
order is checked; and `dataset_sha256` and `trained_on` (both may be missing; attributes or arrays).
"""

import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import HDF5, NPZ, check_is_file, is_refused, kind_of
from pipeline.basics.hdf5 import UNREADABLE, open_hdf5, why_unreadable
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.crops import Embeddings
from pipeline.inference.people import PeopleInScene
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.inference.teachers.leak import stated_trained_on
from pipeline.inference.teachers.teacher import check_embeddings
from pipeline.scenes.scene import IntArray, Split
from pipeline.scenes.shards import EncodedPictures

LOG = logging.getLogger(__name__)
ARRAYS = ("features", "scene_names", "box_counts")
EXTRAS = ("dataset_sha256", "trained_on")
"""What may be missing."""
SCENES_AT_A_TIME = 256
NPZ_UNREADABLE = (*UNREADABLE, zipfile.BadZipFile, zlib.error, EOFError)
PICKLED = "allow_pickle"
"""What NumPy's error says where an array holds Python objects."""


class FeaturesTeacher:
    """A `Teacher` whose embeddings are read from a file.

    Args:
        path: the file.
        dataset_sha256: fingerprint of the prepared data, which that in the file must be.

    Raises:
        UserError: it is no such file, or of other data.
    """

    def __init__(self, path: Path, dataset_sha256: str) -> None:
        check_is_file(path, f"no file of features at {path}")
        self._path, self._file = path, _open(path)
        self._features = self._file["features"]
        if len(self._features.shape) != 2 or self._features.dtype.kind != "f" or not self._features.shape[1]:
            raise UserError(
                f"{path}: 'features' must be [N, D] floats, it is {list(self._features.shape)} "
                f"{self._features.dtype}"
            )
        self._names = _texts(self._file["scene_names"], path, "scene_names")
        self._counts = _counts(self._file["box_counts"], path)
        self.trained_on = stated_trained_on(_extra(self._file, "trained_on", path), str(path))
        self._check_data(_extra(self._file, "dataset_sha256", path), dataset_sha256)

    def embeddings(
        self,
        split: Split,
        images: EncodedPictures,  # noqa: ARG002 (nobody looks at them)
        people: Sequence[PeopleInScene],
        device: torch.device,  # noqa: ARG002
        progress: Progress,
        share: Share = ALL,
    ) -> Iterator[tuple[int, Embeddings]]:
        """Read the embeddings of people; see `Teacher.embeddings`.

        Raises:
            UserError: the file's scenes or boxes are not those of the split, or a row is zero or not finite.
        """
        self._check_order(split)
        offsets = np.concatenate([[0], np.cumsum(self._counts)])
        for batch in own_batches(len(people), SCENES_AT_A_TIME, share):
            own = [people[number] for number in batch]
            first, last = offsets[own[0].scene], offsets[own[-1].scene + 1]
            rows = np.concatenate([offsets[found.scene] + found.places for found in own]) - first
            embeddings = self._read(int(first), int(last))[rows]
            check_embeddings(embeddings, str(self._path), split, own, "compute this row again")
            yield batch[0], embeddings
            progress(done_by_all(batch, len(people), share), len(people))

    def _read(self, first: int, last: int) -> Embeddings:
        try:
            rows: Embeddings = self._features[first:last].astype(np.float32)
        except UNREADABLE as error:
            raise _unreadable(self._path, error) from None
        return rows

    def _check_data(self, stated: Sequence[str] | None, expected: str) -> None:
        """Check of which data the file is. Raises `UserError` where they are others."""
        if not stated:
            LOG.warning(
                "%s does not say of which data it is, so only names and numbers of scenes and boxes are "
                "checked; put `dataset_sha256` into it: %s",
                self._path,
                expected,
            )
        elif stated[0] != expected:
            raise UserError(
                f"{self._path} is of other data: its dataset_sha256 is {stated[0][:12]}, the data's "
                f"{expected[:12]}; compute the features again"
            )

    def _check_order(self, split: Split) -> None:
        """Check that rows, scenes and boxes are those of a split, in its order. Raises `UserError`."""
        for place, (name, count, scene) in enumerate(
            zip(self._names, self._counts, split.scenes, strict=False)
        ):
            if name != scene.name:
                raise UserError(
                    f"{self._path}: scene {place} is '{name}', in the {split.name} split "
                    f"'{scene.name}'; its rows must be in the order of the split's scenes"
                )
            if count != len(scene.boxes):
                raise UserError(
                    f"{self._path}: scene {place} ('{name}') has {count} boxes, in the {split.name} split "
                    f"{len(scene.boxes)} (unlabelled people count)"
                )
        for what, own, wanted in (
            ("scene_names", len(self._names), len(split.scenes)),
            ("box_counts", len(self._counts), len(split.scenes)),
            ("features", self._features.shape[0], sum(len(scene.boxes) for scene in split.scenes)),
        ):
            if own != wanted:
                raise UserError(
                    f"{self._path}: '{what}' has {own} entries, of the {split.name} split it needs {wanted}"
                )


def _open(path: Path) -> Mapping[str, Any]:
    """Open a file of features of either kind. Raises `UserError` where it is none, or lacks an array.

    An HDF5 file stays open, and its arrays are read when they are asked for.
    """
    kind = kind_of(path)
    if kind not in (HDF5, NPZ):
        raise UserError(f"{path} is not a file of features (HDF5 or npz), but {kind or 'something else'}")
    try:
        if kind == HDF5:
            file = open_hdf5(path)
            values = {**file.attrs, **file}
        else:
            values = _read_npz(path)
    except NPZ_UNREADABLE as error:
        raise _unreadable(path, error) from None
    missing = [name for name in ARRAYS if not isinstance(values.get(name), (h5py.Dataset, np.ndarray))]
    if missing:
        raise UserError(f"{path} has no array '{missing[0]}'; a file of features has {', '.join(ARRAYS)}")
    return values


def _read_npz(path: Path) -> dict[str, Any]:
    """Read the arrays of an npz. Raises `UserError` where one holds Python objects."""
    values: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in (*ARRAYS, *EXTRAS):
            try:
                if name in archive.files:
                    values[name] = archive[name]
            except ValueError as error:
                if PICKLED not in str(error):
                    raise
                as_what = "np.float32" if name == "features" else "int" if name == "box_counts" else "str"
                raise UserError(
                    f"{path}: '{name}' holds Python objects, which are never unpickled; save it as a plain "
                    f"array: .astype({as_what})"
                ) from None
    return values


def _unreadable(path: Path, error: BaseException) -> UserError:
    """Return the line about a file that cannot be read. Raises `OSError` where the system refuses it."""
    if kind_of(path) != NPZ:
        text = why_unreadable(path, error).text
    elif isinstance(error, OSError) and is_refused(error):
        raise OSError(error.errno, error.strerror, str(path)) from None
    else:
        text = f"damaged: {' '.join(str(error).split()) or type(error).__name__}"
    return UserError(f"{path} is not a sound file of features ({text})")


def _texts(values: Any, path: Path, name: str) -> list[str]:
    """Return one text or an array of them; HDF5 and NumPy have several kinds."""
    try:
        read = values[()] if isinstance(values, (h5py.Dataset, np.ndarray)) else values
        flat = np.atleast_1d(np.asarray(read, dtype=object)).ravel()
        return [text.decode() if isinstance(text, bytes) else _as_text(text) for text in flat]
    except (*UNREADABLE, UnicodeDecodeError):
        raise UserError(f"{path}: '{name}' must hold texts") from None


def _as_text(value: Any) -> str:
    """Return a text as it is. Raises `TypeError` for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return str(value)


def _extra(file: Mapping[str, Any], name: str, path: Path) -> list[str] | None:
    """Return what a file may state beside its arrays, as texts; None where it does not."""
    return _texts(file[name], path, name) if name in file else None


def _counts(values: Any, path: Path) -> IntArray:
    """Return `[S]` numbers of boxes. Raises `UserError` where they are none."""
    counts: npt.NDArray[Any] = np.asarray(values[()])
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise UserError(
            f"{path}: 'box_counts' must be [S] whole numbers, it is {counts.dtype} {list(counts.shape)}"
        )
    return counts.astype(np.int64)
