"""Where the pipeline's files are, from the folder that a stage runs in; dvc.yaml names the same."""

from pathlib import Path

PREPARED = Path("data/prepared")
CROPS = Path("data/crops")
DETECTOR = Path("models/teachers/detector.safetensors")
REID = Path("models/teachers/reid.safetensors")
TABLE = Path("artifacts/id_lut.h5")
RESULTS = Path("results")
TEACHER_RESULTS = RESULTS / "teachers"
STUDENT_RESULTS = RESULTS / "students"


def student_weights(student: str) -> Path:
    """Return the weight file of a student of params.yaml."""
    return Path("models/students") / f"{student}.safetensors"


def student_results(student: str) -> Path:
    """Return the folder of what a student of params.yaml reached."""
    return STUDENT_RESULTS / student
