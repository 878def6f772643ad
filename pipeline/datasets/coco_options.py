"""Options of a data set in COCO JSON."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.basics.options import Options

Files = str | Annotated[tuple[str, ...], Field(strict=False)]
"""One name, or several."""


class CocoOptions(Options):
    """What the files are called, and which attributes say what.

    Attributes:
        annotations: the file below the data set's root, or several; or the files of each split, which is
            then as given: `{train: a.json, test: [b.json, c.json]}`.
        images: the folder of the pictures below the root.
        identity: the attribute of an annotation that says who it is; null where nobody is labelled.
        camera: the attribute of an image or of its annotations that names the camera; null for none.
        camera_pattern: in place of `camera`: a regular expression that finds the camera in a file name. Its
            group, where it has one, is the camera: `_cam(\\d+)_`.
        sequence: the attribute of an image that says which pictures belong together, as the frames of a
            video; null for those of a folder and camera. `file_name` means that none belong together.
        ids_per_sequence: a person's id holds within a sequence only, as the number of a track.
        category: the name of the category of people, or several names.
    """

    annotations: Files | dict[Literal["train", "val", "test"], Files] = "annotations.json"
    images: str = "images"
    identity: str | None = "person_id"
    camera: str | None = "camera"
    camera_pattern: str | None = None
    sequence: str | None = None
    ids_per_sequence: bool = False
    category: Files = "person"

    @field_validator("camera_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"it must be a regular expression: {error}") from None
        return pattern


def as_tuple(names: Files) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (names,) if isinstance(names, str) else names
