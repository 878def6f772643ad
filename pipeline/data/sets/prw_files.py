"""PRW's small files: one annotation, the list of queries, the camera in a name."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.data.checks import Findings, xywh_to_xyxy
from pipeline.data.scenes.scene import FloatArray, IntArray
from pipeline.data.sets.matlab import load, matrix

ANNOTATION_KEYS = ("box_new", "anno_file", "anno_previous")
"""The variable that holds the boxes: the first of these that a file has."""

ANNOTATION_COLUMNS = 5
QUERY_WORDS = 6
CAMERA = re.compile(r"c(\d)")


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
    match = CAMERA.search(name)
    return int(match.group(1)) if match else None


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
    sized = (rows[:, 3:] > 0).all(axis=1)
    findings.note_count(int((~sized).sum()), f"boxes without width or height left out of {path.name}")
    rows = rows[sized]
    return Annotation(rows[:, 0].astype(np.int64), xywh_to_xyxy(rows[:, 1:]))


def read_queries(path: Path, findings: Findings) -> list[QueryLine]:
    """Read the list of queries, whatever its line ends; blank lines are skipped, broken ones are problems."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read as text") from None
    lines = []
    for number, line in enumerate(content.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            lines.append(_query_line(path.name, number, words))
        except ValueError:
            findings.problems.append(
                f"{path.name}: line {number}: 'id x y w h frame' expected, found '{line.strip()}'"
            )
    if not lines and not findings.problems:
        findings.problems.append(f"{path} holds no query")
    return lines


def _query_line(file: str, number: int, words: list[str]) -> QueryLine:
    if len(words) != QUERY_WORDS:
        raise ValueError(words)
    values = [float(word) for word in words[:5]]
    if not all(math.isfinite(value) for value in values) or values[0] % 1 or values[0] < 0:
        raise ValueError(words)
    return QueryLine(
        file, number, int(values[0]), np.array(values[1:]), words[5].removesuffix(".jpg") + ".jpg"
    )
