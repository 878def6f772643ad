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
    if not re.fullmatch(r"[\w-]+", table):
        raise UserError(f"a table's name is that of its file: letters, digits, _ and - alone, got '{table}'")
    return Path("artifacts") / f"{table}.h5"


def student_weights(student: str) -> Path:
    """Return the weight file of a student of params.yaml."""
    return Path("models/students") / f"{student}.safetensors"


def student_table(student: str) -> Path:
    """Return the file of the table that a student's own identity loss ended with, where it is kept."""
    return student_weights(student).with_name(f"{student}_table.h5")


def student_results(student: str) -> Path:
    """Return the folder of what a student of params.yaml reached."""
    return STUDENT_RESULTS / student
