"""Options of a data set in COCO JSON."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from pipeline.basics.options import Options
from pipeline.datasets.split_options import SPLITS


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_mapping(value: Any) -> Any:
    return value if isinstance(value, dict) else {UNDIVIDED: value}


UNDIVIDED = "undivided"
"""In the place of a split's name: scenes that are still to be divided."""
Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1), BeforeValidator(_as_tuple)]
"""One name, or several."""
FilesBySplit = Annotated[dict[str, Names], Field(min_length=1), BeforeValidator(_as_mapping)]


class CocoOptions(Options):
    """What the files are called, and which attributes say what.

    Attributes:
        annotations: the file below the data set's root, or several; or the files of each split, which is
            then as given: `{train: a.json, test: [b.json, c.json]}`.
        images: the folder of the pictures below the root.
        identity: the attribute of an annotation that says who it is; null where nobody is labelled.
        camera: the attribute of an image or of its annotations that names the camera; null for none. Where
            it is stated, some entry must have it.
        camera_pattern: in place of `camera`: a regular expression that finds the camera in a file name. Its
            group, where it has one, is the camera: `_cam(\\d+)_`.
        sequence: the attribute of an image that says which pictures belong together, as the frames of a
            video; null for those of a folder and camera. `file_name` means that none belong together.
        ids_per_sequence: a person's id holds within a sequence only, as the number of a track.
        category: the name of the category of people, or several names.
    """

    annotations: FilesBySplit = Field(default={UNDIVIDED: ("annotations.json",)})
    images: str = "images"
    identity: str | None = "person_id"
    camera: str | None = "camera"
    camera_pattern: str | None = None
    sequence: str | None = None
    ids_per_sequence: bool = False
    category: Names = ("person",)

    @field_validator("annotations")
    @classmethod
    def _is_by_split(cls, files: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if not set(files) <= set(SPLITS) and list(files) != [UNDIVIDED]:
            raise ValueError(f"files by split are those of {', '.join(SPLITS)}")
        return files

    @field_validator("camera_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"it must be a regular expression: {error}") from None
        return pattern
