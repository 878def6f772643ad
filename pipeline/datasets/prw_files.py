"""PRW's small files: one annotation, the list of queries, the camera in a name."""

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, xywh_to_xyxy
from pipeline.datasets.matlab import load, matrix
from pipeline.scenes.scene import FloatArray, IntArray

ANNOTATION_KEYS = ("box_new", "anno_file", "anno_previous")
"""The variable that holds the boxes: the first of these that a file has."""

ANNOTATION_COLUMNS = 5
QUERY_WORDS = 6
CAMERA = re.compile(r"c([0-9]{1,9})s[0-9]+_")
"""How a frame's name starts, folders aside: `c1s2_` is camera 1, sequence 2."""
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
"""Of these, a name has its suffix already; whether the picture is a JPEG is seen where it is read."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
LARGEST_ID = 2**53 - 1
"""MATLAB's numbers do not tell larger ones apart."""


@dataclass(frozen=True)
class Annotation:
    """One frame's people.

    Attributes:
        ids: `[K]` the data set's own ids; negative where unlabelled (-2).
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


def picture_name(name: str) -> str:
    """Return a frame's file name: lists name frames with or without `.jpg`."""
    return name if name.lower().endswith(PICTURE_SUFFIXES) else f"{name}.jpg"


def are_ids(values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return `[K]` which numbers are whole and small enough to be ids; negative ones are unlabelled."""
    with np.errstate(invalid="ignore"):  # of infinite ones
        return np.asarray((np.abs(values) <= LARGEST_ID) & (values % 1 == 0))


def read_annotation(path: Path, findings: Findings) -> Annotation:
    """Read one frame's annotation, without boxes of no width or height; anything broken is a problem."""
    none = Annotation(np.empty(0, np.int64), np.empty((0, 4)))
    try:
        rows = matrix(load(path, *ANNOTATION_KEYS))
    except UserError as error:
        findings.problems.append(str(error) if str(path) in str(error) else f"{path}: {error}")
        return none
    if not rows.size:
        return none
    if rows.ndim != 2 or rows.shape[1] != ANNOTATION_COLUMNS:
        shape = " x ".join(str(length) for length in rows.shape)
        findings.problems.append(f"{path}: K x {ANNOTATION_COLUMNS} numbers expected, found {shape}")
        return none
    if not np.isfinite(rows).all() or (rows[:, 0] % 1).any():
        findings.problems.append(f"{path}: an id that is no whole number, or a coordinate that is not finite")
        return none
    if not are_ids(rows[:, 0]).all():
        findings.problems.append(f"{path}: an id beyond {LARGEST_ID}, the largest that MATLAB tells apart")
        return none
    sized = (rows[:, 3:] > 0).all(axis=1)
    findings.note_count(int((~sized).sum()), f"boxes without width or height left out of {path.name}")
    rows = rows[sized]
    return Annotation(rows[:, 0].astype(np.int64), xywh_to_xyxy(rows[:, 1:]))


def read_queries(path: Path, findings: Findings) -> list[QueryLine]:
    """Read the list of queries, whatever its line ends; blank lines are skipped, broken ones are problems."""
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
    """Return what one line says. Raises `ValueError`, with the reason where it is not plain to see."""
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
