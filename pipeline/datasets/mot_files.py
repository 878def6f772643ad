"""The files of one sequence in MOTChallenge's form: `seqinfo.ini`, `gt/gt.txt`, and the frames."""

import math
from collections.abc import Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.prw_files import PICTURE_SUFFIXES
from pipeline.scenes.scene import FloatArray

GROUND_TRUTH = "gt/gt.txt"
INFO = "seqinfo.ini"
COLUMNS = (7, 8, 9, 10)
"""How many numbers a line may have; 7 are needed: frame, id, x, y, w, h, flag."""
MOT15_COLUMNS = 10
"""MOT15 has three world coordinates, or -1, where the later ones have class and visibility."""
FRAME, PERSON, FLAG, CLASS, VISIBILITY = 0, 1, 6, 7, 8
PEDESTRIAN = 1
LARGEST = 2**53 - 1


@dataclass(frozen=True)
class SequenceInfo:
    """What `seqinfo.ini` says.

    Attributes:
        frames: the folder of the frames below the sequence's.
        rate: frames a second; None where it is not stated.
        suffix: of the frames' files; None for any.
        size: width and height of the frames; infinite where they are not stated.
    """

    frames: str = "img1"
    rate: float | None = None
    suffix: str | None = None
    size: tuple[float, float] = (math.inf, math.inf)


def read_info(folder: Path) -> SequenceInfo:
    """Read a sequence's `seqinfo.ini`; without one, return what is usual.

    Raises:
        UserError: it cannot be read, or a value in it is none.
    """
    path, parser = folder / INFO, ConfigParser(interpolation=None)
    if not path.exists():
        return SequenceInfo()
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        section = parser["Sequence"]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (Error, KeyError, UnicodeDecodeError):
        raise UserError(
            f"{path} cannot be read: it must hold a section [Sequence] as MOTChallenge's do"
        ) from None
    return SequenceInfo(
        section.get("imDir", SequenceInfo.frames),
        _positive(path, section, "frameRate"),
        section.get("imExt"),
        (
            _positive(path, section, "imWidth") or math.inf,
            _positive(path, section, "imHeight") or math.inf,
        ),
    )


def _positive(path: Path, section: Mapping[str, str], key: str) -> float | None:
    text = section.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"{path}: {key} must be a number above 0, found '{text}'")
    return value


def read_ground_truth(path: Path, shown: str, findings: Findings) -> FloatArray:
    """Return `[N, 9]` the lines: frame, id, x, y, w, h, flag, class, visibility.

    What a line lacks is taken as class 1 and visibility 1. Broken lines are added to the problems.

    Args:
        path: the file.
        shown: what messages call it.
        findings: where problems go.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read as text: save it as UTF-8") from None
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        row = _row(words)
        if isinstance(row, str):
            findings.problems.append(
                f"{shown}: line {number}: {row}; 'frame, id, x, y, w, h, flag, class, visibility' expected, "
                f"found '{line.strip()}'"
            )
        else:
            rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, 9)


def _row(words: list[str]) -> list[float] | str:
    """Return the 9 numbers of a line, or what is wrong with it."""
    if len(words) not in COLUMNS:
        return f"{len(words)} numbers"
    try:
        values = [float(word) for word in words]
    except ValueError:
        return "a word that is no number"
    if not all(map(math.isfinite, values)):
        return "a number that is not finite"
    frame, person = values[FRAME], values[PERSON]
    if frame % 1 or not 0 <= frame <= LARGEST:
        return "a frame that is no whole number from 0"
    if person % 1 or abs(person) > LARGEST:
        return "an id that is no whole number"
    known = values[:CLASS] if len(values) == MOT15_COLUMNS else values
    return [*known, *[PEDESTRIAN, 1.0][len(known) - CLASS :]]


def frame_files(folder: Path, info: SequenceInfo, shown: str, findings: Findings) -> dict[int, str]:
    """Return the names of the pictures in a folder of frames by the frame's number, ascending.

    Args:
        folder: the sequence's folder.
        info: what `seqinfo.ini` says.
        shown: what messages call the sequence.
        findings: where problems go.
    """
    frames = folder / info.frames
    if not frames.is_dir():
        findings.problems.append(f"{shown}: the folder of the frames, {info.frames}, is missing")
        return {}
    suffixes = (info.suffix.lower(),) if info.suffix else PICTURE_SUFFIXES
    pictures = sorted(path.name for path in frames.iterdir() if path.suffix.lower() in suffixes)
    files: dict[int, str] = {}
    for name in pictures:
        stem = Path(name).stem
        if not (stem.isascii() and stem.isdecimal()):
            findings.problems.append(
                f"{shown}/{info.frames}/{name}: a frame is named by its number, as 000001{suffixes[0]}"
            )
        elif (number := int(stem)) in files:
            findings.problems.append(f"{shown}/{info.frames}: {files[number]} and {name} are the same frame")
        else:
            files[number] = name
    if not pictures:
        findings.problems.append(f"{shown}/{info.frames} holds no pictures ({', '.join(suffixes)})")
    return dict(sorted(files.items()))
