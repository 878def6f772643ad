"""Where the pipeline's files are, from the folder that a stage runs in; dvc.yaml names the same."""

import re
from pathlib import Path

from pipeline.basics.errors import UserError

PREPARED = Path("data/prepared")
CROPS = Path("data/crops")
DETECTOR = Path("models/teachers/detector.safetensors")
REID = Path("models/teachers/reid.safetensors")
TABLE = Path("artifacts/id_lut.h5")
RESULTS = Path("results")
TEACHER_RESULTS = RESULTS / "teachers"
STUDENT_RESULTS = RESULTS / "students"


def table_file(table: str) -> Path:
    """Return the file of a table of params.yaml. Raises `UserError` where the name would be no file there."""
    return Path("artifacts") / f"{_file_name('table', table)}.h5"


def student_weights(student: str) -> Path:
    """Return the weight file of a student of params.yaml. Raises `UserError` where the name would be none."""
    return Path("models/students") / f"{_file_name('student', student)}.safetensors"


def student_table(student: str) -> Path:
    """Return the file of the table that a student's own identity loss ended with, where it is kept."""
    return student_weights(student).with_name(f"{student}_table.h5")


def student_results(student: str) -> Path:
    """Return the folder of what a student of params.yaml reached."""
    return STUDENT_RESULTS / student


def _file_name(what: str, name: str) -> str:
    """Return the name of an entry of params.yaml, which is that of its files and of its DVC stages."""
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise UserError(f"a {what}'s name is that of its files: letters, digits, _ and - alone, got '{name}'")
    return name
