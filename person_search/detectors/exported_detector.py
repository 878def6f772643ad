"""A network of `person-search export` as a detector, which is not asked for embeddings."""

from pathlib import Path

from person_search.detectors.detector import FoundBoxes
from person_search.networks.network import Picture
from person_search.networks.onnx_network import OnnxNetwork
from pipeline.basics.hashing import sha256_of


class ExportedDetector:
    """An exported student; a `PeopleDetector`."""

    def __init__(self, path: Path) -> None:
        """Load it. Raises what `OnnxNetwork` raises."""
        self._network = OnnxNetwork(path)
        self.files = (path,)
        self.file_hash = sha256_of(path)

    def detect(self, picture: Picture, least: float) -> FoundBoxes:
        """Find the people in a picture; see `PeopleDetector`."""
        (found,) = self._network.detect([picture])
        sure = found.scores >= least
        return FoundBoxes(found.boxes[sure], found.scores[sure])
