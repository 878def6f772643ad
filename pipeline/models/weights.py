"""The networks that a weight file can hold; see `loading.py` and `saving.py`."""

from pathlib import Path

from pipeline.models.detector import Detector
from pipeline.models.detector_options import DetectorOptions
from pipeline.models.loading import load_network
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.reid import ReidModel, ReidOptions


def load_detector(path: Path) -> Detector:
    """Load a detector; see `load_network`."""
    return load_network(path, "detector", DetectorOptions, Detector)


def load_reid(path: Path) -> ReidModel:
    """Load a re-ID model; see `load_network`."""
    return load_network(path, "reid", ReidOptions, ReidModel)


def load_student(path: Path) -> PersonSearchNetwork:
    """Load a person-search network; see `load_network`."""
    return load_network(path, "person_search", PersonSearchOptions, PersonSearchNetwork)
