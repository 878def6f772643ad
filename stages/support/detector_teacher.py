"""The detector teacher as a student's stage reads it."""

from pathlib import Path

from pipeline.models.detector import Detector
from pipeline.models.detector_options import DetectorOptions
from pipeline.models.loading import load_network

DETECTOR = Path("models/teachers/detector.safetensors")


def teacher_detector() -> Detector:
    """Return the detector teacher. Raises `UserError` where its weights cannot be read."""
    return load_network(DETECTOR, "detector", DetectorOptions, Detector)
