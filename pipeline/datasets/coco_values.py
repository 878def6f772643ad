"""Values of COCO JSON that say nothing as they are, and would else count as absent or as false."""

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from reprlib import repr as short
from typing import Any

from pipeline.datasets.checks import some
from pipeline.datasets.coco_file import (
    IGNORED,
    NESTED,
    NOBODY,
    CocoFile,
    Entry,
    attribute,
    attribute_names,
    has_attribute,
    key_of,
)
from pipeline.datasets.coco_options import CocoOptions

MARKS = (None, 0, 1, "", "0", "1", "false", "true", "False", "True")
"""The values that `iscrowd` and `ignore` may have; JSON's false and true are 0 and 1."""


def option_problems(files: Sequence[CocoFile], options: CocoOptions) -> Iterator[str]:
    """Yield a line for each option that names an attribute which is nowhere, or that another overrules.

    The camera's attribute may be nowhere unless the options state its name.
    """
    stated = options.camera is not None and "camera" in options.model_fields_set
    if stated and options.camera_pattern is not None:
        yield (
            "`coco.camera` and `coco.camera_pattern` are both stated, and the camera is taken from one: "
            "leave the other out, or set it to null"
        )
    elif stated:
        yield from _missing(files, "camera", options.camera, "names the camera", "image", "annotation")
    yield from _missing(files, "identity", options.identity, "says who it is", "annotation")
    yield from _missing(files, "sequence", options.sequence, "says which pictures belong together", "image")


def _missing(
    files: Sequence[CocoFile], option: str, name: str | None, what: str, *kinds: str
) -> Iterator[str]:
    """Yield a line where an option names an attribute that no entry of some kinds has."""
    lists = [entries for file in files for entries in _lists(file, kinds)]
    if name is None or not any(lists) or any(has_attribute(entry, name) for entry in chain(*lists)):
        return
    others = attribute_names(list(chain(*lists)))
    there = f"are {some(others)}" if others else "is none"
    yield (
        f"{files[0].where}: no {' or '.join(kinds)} has the attribute '{name}'; set `coco.{option}` to the "
        f"one that {what} (there {there}), or to null"
    )


def _lists(file: CocoFile, kinds: Sequence[str]) -> Iterator[Sequence[Entry]]:
    yield from ([file.images] if "image" in kinds else [])
    yield from ([file.annotations] if "annotation" in kinds else [])


def image_problem(entry: Entry, options: CocoOptions) -> str | None:
    """Return what is wrong with the attributes of an image; None if nothing."""
    return _problem(entry, (_camera(options), options.sequence))


def annotation_problem(entry: Entry, options: CocoOptions) -> str | None:
    """Return what is wrong with the attributes and marks of an annotation; None if nothing."""
    problem = _problem(entry, (options.identity, _camera(options)))
    for name in () if problem else IGNORED:
        if (value := attribute(entry, name)) not in MARKS:
            return f"{name} {short(value)} is neither 0 nor 1"
    return problem


def text_for_nobody(entry: Entry, options: CocoOptions) -> str | None:
    """Return the text, as "None", that stands where an annotation says who it is; None if a person may."""
    value = None if options.identity is None else attribute(entry, options.identity)
    return value.strip() if isinstance(value, str) and value.strip().lower() in NOBODY else None


def _camera(options: CocoOptions) -> str | None:
    return options.camera if options.camera_pattern is None else None


def _problem(entry: Entry, names: Sequence[str | None]) -> str | None:
    """Return what is wrong with the attributes that hold ids; None if nothing."""
    for place in NESTED:
        held = entry.get(place)
        if held is not None and not isinstance(held, dict):
            return f"{place} {short(held)} is no object of names and values"
    for name in names:
        value: Any = None if name is None else attribute(entry, name)
        if value is None or key_of(value) is not None:
            continue
        if not (isinstance(value, float) and math.isnan(value)):  # NaN is pandas' None
            return f"{name} {short(value)} is no id: give a number or a text"
    return None
