"""Reading a prepared data set: one format for all data sets, which `datasets/packing.py` writes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file, restoring
from pipeline.basics.json_files import damaged, read_json
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import MAKE, ImageShards, read_annotations

FORMAT_VERSION = 1
REFERENCES_VERSION = 2
"""The format whose shards refer to pictures. Programs that only know the first refuse it by its number."""
IGNORED_VERSION = 3
"""The format of a data set with ignored boxes, which older programs would take for background."""
MANIFEST = "manifest.json"
PARTS = "parts"
"""Key of the manifest of a mixed data set: the names of those that it is made of, in their order."""
CROPS_ONLY = ("market",)
"""Data sets of cropped people: a re-ID teacher is trained on them, and no network that looks at scenes."""


@dataclass(frozen=True)
class PreparedDataSet:
    """A prepared data set on disk.

    Attributes:
        root: its folder.
        name: the name of the data set that it was made from.
        sha256: fingerprint of all its content.
        manifest: counts and files of each split.
    """

    root: Path
    name: str
    sha256: str
    manifest: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the data sets that it was made from: of a mixed one, those of all parts."""
        return tuple(self.manifest.get(PARTS, [self.name]))

    def split(self, name: str) -> Split:
        """Read a split's annotations. Raises `UserError` where the split does not exist or is damaged."""
        return read_annotations(self._file(self._of(name)["annotations"]))

    def images(self, name: str) -> ImageShards:
        """Open a split's pictures. Raises `UserError` where the split does not exist or is damaged."""
        return ImageShards([self._file(entry) for entry in self._of(name)["images"]])

    def has(self, name: str) -> bool:
        """Return whether there is a split of that name."""
        return name in self.manifest["splits"]

    def _file(self, entry: Mapping[str, str]) -> Path:
        """Return the path of a file in the manifest. Raises `UserError` where it is missing or changed."""
        path = self.root / entry["file"]
        check_is_file(path, f"{path} is missing; {restoring(path, MAKE)}")
        if file_entry(path) != entry:
            raise UserError(f"{path} is not the file that {MANIFEST} names; {restoring(path, MAKE)}")
        return path

    def _of(self, name: str) -> Mapping[str, Any]:
        splits: Mapping[str, Mapping[str, Any]] = self.manifest["splits"]
        if name not in splits:
            how = "`person-search validate WEIGHTS --split test --data FOLDER`"
            scored = (
                f"; {how} scores what is trained on it on another prepared data set" if name == "test" else ""
            )
            raise UserError(
                f"data set '{self.name}' has no split '{name}'; it has {', '.join(splits)}{scored}"
            )
        return splits[name]


def open_prepared(root: Path) -> PreparedDataSet:
    """Open a prepared data set.

    Raises:
        UserError: it is missing, damaged, or of another version.
        OSError: the system refuses to read it.
    """
    path = root / MANIFEST
    absent = f"no prepared data set in {root} ({MANIFEST} is missing); run `dvc repro prepare`"
    manifest = read_json(path, absent=absent, again=restoring(path, MAKE))
    try:
        version, name, sha256 = manifest["format_version"], manifest["dataset"], manifest["dataset_sha256"]
        sound = sha256 == fingerprint(name, manifest["splits"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged(path, restoring(path, MAKE)) from None
    if version not in (FORMAT_VERSION, REFERENCES_VERSION, IGNORED_VERSION):
        raise UserError(
            f"{path}: format {version}, this program reads {FORMAT_VERSION} to {IGNORED_VERSION}; "
            "run `dvc repro prepare`"
        )
    if not sound:
        raise UserError(
            f"{path} is damaged: its parts do not make its dataset_sha256; {restoring(path, MAKE)}"
        )
    return PreparedDataSet(root, name, sha256, manifest)


def require_scenes(data: PreparedDataSet, what: str) -> None:
    """Check that a data set has whole scenes.

    Args:
        data: the data set.
        what: what is to be trained, for the message.

    Raises:
        UserError: it has crops only.
    """
    if data.name in CROPS_ONLY:
        raise UserError(
            f"data set '{data.name}' has cropped people only, and {what} learns from whole scenes; "
            "`dvc repro train_reid` trains the re-ID teacher on it, whose file another project names as "
            "`teacher` of a table"
        )


def file_entry(path: Path) -> dict[str, str]:
    """Return a file's entry in the manifest: its name and SHA-256."""
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def fingerprint(name: str, entries: Mapping[str, Any]) -> str:
    """Return `dataset_sha256`: the SHA-256 of the data set's name and its splits' entries in the manifest."""
    content = json.dumps([name, entries], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
