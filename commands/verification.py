"""Checks that everything is as DVC recorded it: outputs, cache, and the content of the files.

DVC itself compares only time and size of an output, and does not read its cache again.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
from safetensors import SafetensorError, safe_open

from pipeline.basics.hdf5 import UNREADABLE, open_hdf5, why_unreadable
from pipeline.scenes.shards import reference_problems

FOLDER_SUFFIX = ".dir"
"""At the end of the hash of a folder: that of a list of its files."""
MAKE_AGAIN = "; `dvc repro --single-item --force` its stage"
"""What to do about a file that was damaged when it was recorded: no copy can be better."""
Kind = Literal["sound", "damaged", "missing", "unread"]
"""`unread`: the system does not let the file be read, which says nothing about its content."""


@dataclass(frozen=True)
class Output:
    """What a lock file says of one output of a stage.

    Attributes:
        path: file or folder.
        md5: of its content; of the list of its files, with `.dir` behind, where it is a folder.
        cached: whether DVC keeps it; git does otherwise.
    """

    path: Path
    md5: str
    cached: bool = True

    @property
    def restore(self) -> str:
        """The command that restores it. It removes the output first: DVC may take a damaged one for whole."""
        return f"`rm -rf {self.path} && {'dvc' if self.cached else 'git'} checkout {self.path}`"


@dataclass(frozen=True)
class Finding:
    """The result of checking one file.

    Attributes:
        path: the file.
        kind: whether it is as it was recorded.
        what: what is wrong, and how to restore it; empty where nothing is, or where the file is missing.
    """

    path: Path
    kind: Kind
    what: str = ""


def check_output(output: Output, cache: Path) -> Iterator[Finding]:
    """Compare one output with the lock file, a folder file by file, and read each file whole."""
    path = output.path
    if not os.path.lexists(path):
        if output.cached:
            yield Finding(path, "missing")
        else:
            yield Finding(path, "damaged", f"gone, although git keeps it; `git checkout {path}`")
    elif path.is_symlink() and not path.exists():
        yield Finding(path, "damaged", f"a link to {path.readlink()}, which is gone; {output.restore}")
    elif not output.md5.endswith(FOLDER_SUFFIX):
        yield _check_file(path, output.md5, output)
    else:
        yield from _check_folder(output, cache)


def check_object(path: Path) -> Finding:
    """Compare one file of the cache with its name: the folder's two digits and its own are its MD5."""
    named = (path.parent.name + path.name).removesuffix(FOLDER_SUFFIX)
    restore = f"`rm -f {path}`, then `dvc pull` or `dvc repro`"
    try:
        if md5_of(path) == named:
            return Finding(path, "sound")
    except OSError as error:
        return _not_read(path, error, "an object of DVC's cache that ", restore)
    return Finding(path, "damaged", f"a damaged object of DVC's cache; {restore}")


def cache_objects(cache: Path) -> list[Path]:
    """Return all objects of DVC's cache, sorted; `cache` is the folder with the folders of two digits."""
    return sorted(path for path in cache.glob("??/*") if path.is_file() and path.suffix != ".tmp")


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal: DVC's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check_folder(output: Output, cache: Path) -> Iterator[Finding]:
    folder, digest = output.path, output.md5
    listing = cache / digest[:2] / digest[2:]
    restore = f"`rm -f {listing}`, then `dvc pull` or `dvc repro`"
    try:
        content = listing.read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX != digest:
            raise ValueError("not the list that its name says")
        wanted = {folder / entry["relpath"]: entry["md5"] for entry in json.loads(content)}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        what = f"the list of its files in DVC's cache ({listing}) is missing or damaged; {restore}"
        yield Finding(folder, "damaged", what)
        return
    except OSError as error:
        yield _not_read(folder, error, f"the list of its files in DVC's cache ({listing}) ", restore)
        return
    try:
        there = set(_files_below(folder))
    except OSError as error:
        yield _not_read(folder, error, "", output.restore)
        return
    for path in sorted(wanted.keys() | there):
        if path not in there:
            yield Finding(path, "damaged", f"gone from its folder; {output.restore}")
        elif path not in wanted:
            yield Finding(path, "damaged", f"no part of its folder; {output.restore} removes it")
        else:
            yield _check_file(path, wanted[path], output)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and its folders. Raises `OSError` where one cannot be listed."""

    def refuse(error: OSError) -> None:
        raise error

    for place, _folders, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names if Path(place, name).is_file())


def _check_file(path: Path, md5: str, output: Output) -> Finding:
    try:
        if md5_of(path) != md5:
            return Finding(path, "damaged", f"not the file that dvc.lock names; {output.restore}")
        fault = _fault(path)
    except OSError as error:  # a bad disk, say; the other files are looked at all the same
        return _not_read(path, error, "", output.restore)
    if fault:
        return Finding(path, "damaged", f"as it was recorded, but {fault}")
    return Finding(path, "sound")


def _not_read(path: Path, error: OSError, subject: str, restore: str) -> Finding:
    """Return the finding for a file that the system does not let be read. On a bad disk it is damaged."""
    what = f"{subject}cannot be read ({error.strerror or error})"
    if error.errno == errno.EIO:
        return Finding(path, "damaged", f"{what}; {restore}")
    return Finding(path, "unread", what)


def _read(_name: str, item: h5py.Group | h5py.Dataset) -> None:
    """Read an item of an HDF5 file whole. It returns None, since h5py ends the visit at any other value."""
    if isinstance(item, h5py.Dataset):
        item[()]


def _fault(path: Path) -> str:
    """Return what is wrong inside a file, and what to do: "" where nothing is.

    Of an HDF5 file every chunk is read, and the pictures that it refers to; of weights, the header.

    Raises:
        OSError: the system does not let it be read.
    """
    if path.suffix == ".h5":
        try:
            with open_hdf5(path) as file:
                file.visititems(_read)
                problems = reference_problems(file, path)
        except UNREADABLE as error:
            return f"{why_unreadable(path, error).text}{MAKE_AGAIN}"
        if problems:
            return f"{problems[0]}{f' (and {len(problems) - 1:,} more pictures)' if problems[1:] else ''}"
    elif path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="np") as weights:
                weights.metadata()
        except (SafetensorError, RuntimeError) as error:
            return f"{' '.join(str(error).split())}{MAKE_AGAIN}"
    return ""
