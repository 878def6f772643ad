"""COCO JSON: the file, and where exports keep what COCO has no place for.

An attribute, as a person's identity or a camera, stands in an annotation (or an image) itself, as FiftyOne
exports it, in its `attributes`, as CVAT does, or in its `extra`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.scenes.scene import FloatArray

NESTED = ("attributes", "extra")
MASK = "segmentation"
LISTS = ("images", "annotations", "categories")
IGNORED = ("iscrowd", "ignore")
"""The marks of annotations that become ignored boxes."""
OF_IMAGES = ("width", "height", "file_name", "license", "flickr_url", "coco_url", "date_captured")
NO_ATTRIBUTES = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", *OF_IMAGES, *NESTED)
"""Keys of annotations and images that are COCO's own."""
NOBODY = ("none", "null", "nan")
"""Texts, in small letters, that programs write where nobody is known."""
LARGEST_COORDINATE = 1e9

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class CocoFile:
    """The content of one file, with `where` it stands for messages."""

    where: str
    images: Sequence[Entry]
    annotations: Sequence[Entry]
    categories: Sequence[Entry]


def read_coco(path: Path) -> CocoFile:
    """Read a file; masks are left out at once, since they may be most of it.

    Raises:
        UserError: it cannot be read, is no JSON, or lacks one of COCO's lists.
    """
    try:
        content = json.loads(path.read_bytes(), object_hook=_without_mask)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: set `coco.annotations` to the COCO JSON file") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # of bytes that are no text, too
        raise UserError(f"{path} is no valid JSON: {' '.join(str(error).split())}") from None
    for name in LISTS:
        entries = content.get(name) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise UserError(f"{path} is no COCO JSON: it has no list '{name}'; export the data set as COCO")
    return CocoFile(path.name, *(content[name] for name in LISTS))


def _without_mask(entry: dict[str, Any]) -> dict[str, Any]:
    entry.pop(MASK, None)
    return entry


def key_of(value: Any) -> str | None:
    """Return an id as text, so that 7, 7.0 and "7" are the same; None for what is no id."""
    if isinstance(value, str):
        text = value.strip()
        # JSON may hold half a character (\\ud800), which no file can.
        return text if text.isascii() else text.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return (str(int(value)) if value.is_integer() else repr(value)) if math.isfinite(value) else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def attribute(entry: Entry, name: str) -> Any:
    """Return an attribute of an image or annotation; None where it has none of that name."""
    if name in entry:
        return entry[name]
    for place in NESTED:
        held = entry.get(place)
        if isinstance(held, dict) and name in held:
            return held[name]
    return None


def has_attribute(entry: Entry, name: str) -> bool:
    """Return whether an image or annotation has an attribute, which may be null."""
    return name in entry or any(
        isinstance(entry.get(place), dict) and name in entry[place] for place in NESTED
    )


def attribute_names(entries: Sequence[Entry]) -> list[str]:
    """Return the names of all attributes that annotations or images have besides COCO's own keys, sorted."""
    names: set[str] = set()
    for entry in entries:
        names.update(entry)
        for place in NESTED:
            held = entry.get(place)
            names.update(held if isinstance(held, dict) else ())
    return sorted(names.difference(NO_ATTRIBUTES))


def person_of(value: Any) -> str | None:
    """Return a person's own id; None where it is not known: null, "", NaN, and numbers below 0."""
    text = key_of(value)
    if not text or text.lower() in NOBODY:
        return None
    return None if text[0] == "-" and text[1:].isdecimal() else text


def is_set(entry: Entry, *names: str) -> bool:
    """Return whether one of some marks is 1 or true."""
    return any(attribute(entry, name) in (1, True, "1", "true", "True") for name in names)


def box_of(entry: Entry) -> FloatArray | None:
    """Return `[4]` x y w h of an annotation; None where it has no four finite numbers."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return None
    if not all(type(value) in (int, float) and abs(value) <= LARGEST_COORDINATE for value in box):
        return None  # a comparison with NaN is false
    return np.array(box, dtype=np.float64)
