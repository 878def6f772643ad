"""PRW's small files: a frame's annotation and the list of queries; and the camera in a frame's name."""

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.matlab import load, matrix
from pipeline.scenes.boxes import xywh_to_xyxy
from pipeline.scenes.scene import FloatArray, IntArray

ANNOTATION_KEYS = ("box_new", "anno_file", "anno_previous")
"""Variables that may hold the boxes; the first that a file has is read."""

ANNOTATION_COLUMNS = 5
QUERY_WORDS = 6
CAMERA = re.compile(r"c([0-9]{1,9})s[0-9]+_")
"""How a frame's file name starts: `c1s2_` is camera 1, sequence 2."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
"""A name with one of these suffixes is complete. Whether the file is a JPEG is checked when it is read."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LARGEST_ID = 2**53 - 1
"""MATLAB stores ids as float64, in which larger whole numbers are no longer distinct."""


@dataclass(frozen=True)
class Annotation:
    """One frame's people.

    Attributes:
        ids: `[K]` the data set's own ids; a negative one (-2) is unlabelled.
        boxes: `[K, 4]` x1 y1 x2 y2, not yet cut to the frame.
    """

    ids: IntArray
    boxes: FloatArray


@dataclass(frozen=True)
class QueryLine:
    """One line of `query_info.txt`.

    Attributes:
        file: name of the file.
        number: line number, from 1.
        person: the data set's own id.
        box: `[4]` x y w h.
        frame: file name with `.jpg`.
    """

    file: str
    number: int
    person: int
    box: FloatArray
    frame: str


def camera_of(name: str) -> int | None:
    """Return the camera in a frame's name, or None where there is none."""
    match = CAMERA.match(PurePosixPath(name).name)
    return int(match.group(1)) if match else None


def sequence_of(name: str) -> str | None:
    """Return camera and sequence in a frame's name, as `c1s2`, or None where there are none."""
    match = CAMERA.match(PurePosixPath(name).name)
    return match.group().rstrip("_") if match else None


def picture_name(name: str) -> str:
    """Return a frame's file name: lists name frames with or without `.jpg`."""
    return name if name.lower().endswith(PICTURE_SUFFIXES) else f"{name}.jpg"


def are_ids(values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return `[K]`, true where a number is whole and small enough to be an id, negative ones included."""
    with np.errstate(invalid="ignore"):  # infinity % 1
        return np.asarray((np.abs(values) <= LARGEST_ID) & (values % 1 == 0))


def read_annotation(path: Path, findings: Findings) -> Annotation:
    """Read one frame's annotation.

    Boxes without width or height are left out. A broken file is added to the problems, and has no boxes then.
    """
    none = Annotation(np.empty(0, np.int64), np.empty((0, 4)))
    try:
        lines = matrix(load(path, *ANNOTATION_KEYS))
    except UserError as error:
        findings.problems.append(str(error) if str(path) in str(error) else f"{path}: {error}")
        return none
    if not lines.size:
        return none
    if lines.ndim != 2 or lines.shape[1] != ANNOTATION_COLUMNS:
        shape = " x ".join(str(length) for length in lines.shape)
        findings.problems.append(f"{path}: K x {ANNOTATION_COLUMNS} numbers expected, found {shape}")
        return none
    if not np.isfinite(lines).all() or (lines[:, 0] % 1).any():
        findings.problems.append(f"{path}: an id that is no whole number, or a coordinate that is not finite")
        return none
    if not are_ids(lines[:, 0]).all():
        findings.problems.append(f"{path}: an id beyond {LARGEST_ID}, the largest that MATLAB tells apart")
        return none
    sized = (lines[:, 3:] > 0).all(axis=1)
    findings.note_count(int((~sized).sum()), f"boxes without width or height left out of {path.name}")
    lines = lines[sized]
    return Annotation(lines[:, 0].astype(np.int64), xywh_to_xyxy(lines[:, 1:]))


def read_queries(path: Path, findings: Findings) -> list[QueryLine]:
    """Read the list of queries, with line ends of any system.

    Blank lines are skipped. Broken lines, and a list without queries, are added to the problems.

    Raises:
        UserError: the file cannot be read, or is not text in UTF-8.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read as text: save it as UTF-8") from None
    lines = []
    for number, line in enumerate(content.split("\n"), start=1):
        words = line.split(maxsplit=QUERY_WORDS - 1)  # a frame's name may have spaces in it
        if not words:
            continue
        try:
            lines.append(_query_line(path.name, number, words))
        except ValueError as error:
            why = f" ({error})" if str(error) else ""
            findings.problems.append(
                f"{path.name}: line {number}: 'id x y w h frame' expected, found '{line.strip()}'{why}"
            )
    if not lines and not findings.problems:
        findings.problems.append(f"{path} holds no query")
    return lines


def _query_line(file: str, number: int, words: list[str]) -> QueryLine:
    """Return one line's query. Raises `ValueError`, with a reason where the line shows none by itself."""
    if len(words) != QUERY_WORDS:
        raise ValueError
    if not all(NUMBER.fullmatch(word) for word in words[:5]):
        raise ValueError
    person, *box = [float(word) for word in words[:5]]
    if not all(math.isfinite(value) for value in box):
        raise ValueError("a coordinate is too large")
    if person % 1 or person < 0:
        raise ValueError("an id is a whole number from 0")
    if person > LARGEST_ID:
        raise ValueError(f"ids are at most {LARGEST_ID}")
    return QueryLine(file, number, int(person), np.array(box), picture_name(words[5].strip()))
