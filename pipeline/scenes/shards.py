"""Prepared splits on disk: pictures packed into HDF5 shards, annotations in one HDF5 file beside them.

A split `test` is `test.h5` (scenes, queries, galleries) and `test-images-00000.h5`, ... Such a shard either
holds pictures (`jpeg`: their bytes, back to back, and `offsets`), or it refers to them (`files`: their paths
below a data set's folder, which `dataset_root` holds, and `sha256`). All HDF5 datasets have checksums, which
reveal damage, and no times, so that equal content gives equal files.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file, restoring
from pipeline.basics.hdf5 import UNREADABLE, open_hdf5, why_unreadable, writing_hdf5
from pipeline.scenes.scene import FloatArray, Galleries, Query, Scene, Split, no_boxes

CHUNK_BYTES = 1 << 16
"""Size of an HDF5 chunk: small, since reading a picture reads and checks all chunks that it touches."""
GALLERY_ARRAYS = ("listed_offsets", "listed_scenes", "positive_offsets", "positives", "positive_boxes")
MAKE = "dvc repro"
"""The command that restores a damaged shard: `prepare` makes those of scenes, `crop` those of crops."""
ROOT = "dataset_root"
"""What only a shard has that refers to pictures: their data set's folder, from where the program runs.

It is no attribute, since HDF5 has no checksum for the text of one, and may loop for ever over a damaged one.
"""
DIGEST_BYTES = 32
"""Length of a SHA-256."""


def write_images(path: Path, images: Sequence[bytes]) -> None:
    """Write encoded pictures back to back, with the offset of each."""
    offsets = np.cumsum([0, *map(len, images)])
    with writing_hdf5(path) as file:
        _put(file, "offsets", offsets)
        _put(file, "jpeg", np.frombuffer(b"".join(images), dtype=np.uint8))


def write_references(path: Path, root: Path, files: Sequence[str], digests: Sequence[bytes]) -> None:
    """Write where pictures are, instead of their bytes.

    Args:
        path: the shard to write.
        root: the data set's folder. It is written as it is given: a relative one holds for every clone of the
            project that has such a folder.
        files: for each picture, its path below `root`, with `/` between folders.
        digests: for each picture, the SHA-256 of its file, 32 bytes.
    """
    with writing_hdf5(path) as file:
        _put_texts(file, ROOT, [root.as_posix()])
        _put_texts(file, "files", files)
        _put(file, "sha256", np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES))


class EncodedPictures(Protocol):
    """Pictures, each as its encoded bytes: those of a split, or what is made of them."""

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the bytes `[n]` of picture `index`."""
        ...


class ImageShards:
    """Read access to the pictures of a split. Each process opens the files, once, when it first reads one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._shards: list[_Copies | _References] = []
        self._starts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._count = 0
        self._process = 0

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the JPEG bytes `[n]` of picture `index`.

        Raises:
            UserError: the shard is damaged, or the file that it refers to is missing or has changed.
        """
        if self._process != os.getpid():
            # A forked process first gives its parent's files back: HDF5 would not open them again.
            self._shards = []
            self._shards, self._process = [_open_pictures(path) for path in self._paths], os.getpid()
            ends = np.cumsum([0, *map(len, self._shards)])
            self._starts, self._count = ends[:-1], int(ends[-1])
        if not 0 <= index < self._count:
            raise IndexError(index)
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._shards[shard].read(index - int(self._starts[shard]))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind: a data worker opens its own."""
        return ImageShards(self._paths).__dict__


class _Copies:
    """The pictures of an open shard that holds them."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._path = path
        self._offsets: npt.NDArray[np.int64] = _get(file, "offsets", path)
        self._jpeg: h5py.Dataset = file["jpeg"]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def read(self, position: int) -> npt.NDArray[np.uint8]:
        """Return the bytes `[n]` of one picture. Raises `UserError` where the shard is damaged."""
        try:
            picture: npt.NDArray[np.uint8] = self._jpeg[self._offsets[position] : self._offsets[position + 1]]
        except UNREADABLE as error:
            raise _damaged(self._path, error) from None
        return picture


class _References:
    """The pictures that a shard refers to."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._root = Path(*_texts(file, ROOT, path))
        self._files = _texts(file, "files", path)
        self._digests: npt.NDArray[np.uint8] = _get(file, "sha256", path)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, position: int) -> npt.NDArray[np.uint8]:
        """Return the bytes `[n]` of one picture. Raises `UserError` where they are not those of `prepare`."""
        path = self._root / self._files[position]
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{path} is missing, which the prepared data refer to; put it back, or, where the data set "
                "was moved, set `dataset.root` to its folder and run `dvc repro`"
            ) from None
        except OSError as error:
            raise UserError(
                f"{path}, which the prepared data refer to, cannot be read: {error.strerror}"
            ) from None
        if hashlib.sha256(content).digest() != self._digests[position].tobytes():
            raise UserError(
                f"{path} has changed since the data were prepared; put the old file back, or, where it was "
                "changed on purpose, run `dvc repro --force prepare`, then `dvc repro`"
            )
        return np.frombuffer(content, dtype=np.uint8)


def reference_problems(file: h5py.File, path: Path) -> list[str]:
    """Read all pictures that an open HDF5 file refers to, and return what is wrong with them, a line each.

    A file that refers to none has no problems.

    Raises:
        UserError: the file itself is damaged.
    """
    if ROOT not in file:
        return []
    shard, problems = _References(file, path), []
    for position in range(len(shard)):
        try:
            shard.read(position)
        except UserError as error:
            problems.append(str(error))
    return problems


def open_shard(path: Path) -> h5py.File:
    """Open an HDF5 file for reading. Raises `UserError` where it is missing, unreadable or no HDF5 file."""
    try:
        check_is_file(path, f"{path} is missing; {restoring(path, MAKE)}")
        return open_hdf5(path)
    except UNREADABLE as error:
        raise _damaged(path, error) from None


def _open_pictures(path: Path) -> _Copies | _References:
    """Open a shard of either kind. Raises `UserError` where it is missing or damaged."""
    file = open_shard(path)
    try:
        return (_References if ROOT in file else _Copies)(file, path)
    except UNREADABLE as error:
        raise _damaged(path, error) from None


def write_annotations(path: Path, split: Split) -> None:
    """Write everything of a split except its pictures."""
    counts = [len(scene.boxes) for scene in split.scenes]
    with writing_hdf5(path) as file:
        file.attrs["name"] = split.name
        file.attrs["default_gallery"] = split.default_gallery
        _put_texts(file, "scene_names", [scene.name for scene in split.scenes])
        _put_texts(file, "identities", split.identities)
        _put(file, "cameras", split.cameras)
        _put(file, "box_offsets", np.cumsum([0, *counts]))
        _put(file, "boxes", np.concatenate([np.zeros((0, 4)), *(scene.boxes for scene in split.scenes)]))
        if split.has_ignored:  # else the file is, byte for byte, what it was before there were ignored boxes
            _put(file, "ignored_offsets", np.cumsum([0, *(len(scene.ignored) for scene in split.scenes)]))
            _put(file, "ignored_boxes", np.concatenate([scene.ignored for scene in split.scenes]))
        ids = [scene.person_ids for scene in split.scenes]
        _put(file, "person_ids", np.concatenate([np.zeros(0, dtype=np.int64), *ids]))
        _put(file, "query_scenes", np.array([query.scene for query in split.queries], dtype=np.int64))
        _put(file, "query_person_ids", np.array([query.person_id for query in split.queries], dtype=np.int64))
        _put(file, "query_boxes", np.array([query.box for query in split.queries]).reshape(-1, 4))
        for name, galleries in split.galleries.items():
            group = file.create_group(f"galleries/{name}")
            group.attrs["rest"] = galleries.rest
            for array in GALLERY_ARRAYS:
                _put(group, array, getattr(galleries, array))


def read_annotations(path: Path) -> Split:
    """Read a split. Raises `UserError` where the file is missing or damaged."""
    with open_shard(path) as file:
        try:
            return _read_split(file, path)
        except UNREADABLE as error:
            raise _damaged(path, error) from None


def _read_split(file: h5py.File, path: Path) -> Split:
    offsets = _get(file, "box_offsets", path)
    boxes, person_ids = _get(file, "boxes", path), _get(file, "person_ids", path)
    names, cameras = _texts(file, "scene_names", path), _get(file, "cameras", path)
    ignored = _read_ignored(file, path, len(names))
    query_columns = zip(
        _get(file, "query_scenes", path),
        _get(file, "query_boxes", path),
        _get(file, "query_person_ids", path),
        strict=True,
    )
    return Split(
        name=str(file.attrs["name"]),
        scenes=tuple(
            Scene(name, boxes[start:end], person_ids[start:end], int(camera), own_ignored)
            for name, camera, start, end, own_ignored in zip(
                names, cameras, offsets[:-1], offsets[1:], ignored, strict=True
            )
        ),
        identities=tuple(_texts(file, "identities", path)),
        queries=tuple(Query(int(scene), box, int(person)) for scene, box, person in query_columns),
        galleries=dict(_read_galleries(file, path)),
        default_gallery=str(file.attrs["default_gallery"]),
    )


def _read_ignored(file: h5py.File, path: Path, scenes: int) -> list[FloatArray]:
    """Return the ignored boxes `[M, 4]` of each scene; a file of a split without any has none of them."""
    if "ignored_offsets" not in file:
        return [no_boxes() for _ in range(scenes)]
    offsets, boxes = _get(file, "ignored_offsets", path), _get(file, "ignored_boxes", path)
    return [boxes[start:end] for start, end in pairwise(offsets)]


def _read_galleries(file: h5py.File, path: Path) -> Iterator[tuple[str, Galleries]]:
    names = list(file["galleries"]) if "galleries" in file else []
    # HDF5 sorts names as text; here sizes come first, in numerical order, then the other names.
    for name in sorted(names, key=lambda name: (not name.isdigit(), name.zfill(12))):
        group = file["galleries"][name]
        arrays = {array: _get(group, array, path) for array in GALLERY_ARRAYS}
        rest: Any = str(group.attrs["rest"])
        yield name, Galleries(rest=rest, **arrays)


def _put(group: h5py.Group, name: str, values: npt.NDArray[Any]) -> None:
    """Write one array with a checksum for each chunk; an empty array has neither in HDF5."""
    if values.size == 0:
        group.create_dataset(name, data=values, track_times=False)
        return
    entry_bytes = max(1, values[:1].nbytes)
    entries = min(len(values), max(1, CHUNK_BYTES // entry_bytes))
    group.create_dataset(
        name, data=values, chunks=(entries, *values.shape[1:]), fletcher32=True, track_times=False
    )


def _put_texts(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    _put(group, name, np.array(encoded, dtype=f"S{max(map(len, encoded), default=1) or 1}"))


def _get(group: h5py.Group, name: str, path: Path) -> Any:
    try:
        return group[name][:]
    except UNREADABLE as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: BaseException) -> UserError:
    """Return the error for a file that cannot be read.

    Where the system refuses to read it, this is a `UserError` too: a data worker passes on text only.
    """
    try:
        reason = why_unreadable(path, error)
    except OSError as refused:
        return UserError(f"cannot read {path}: {refused.strerror}")
    return UserError(f"{path} is damaged ({reason.text}); {restoring(path, MAKE)}")


def _texts(group: h5py.Group, name: str, path: Path) -> list[str]:
    return [text.decode() for text in _get(group, name, path)]
