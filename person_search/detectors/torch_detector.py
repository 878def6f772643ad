"""The project's own detectors in PyTorch, from their weight files: a detector, or a student of any head."""

from pathlib import Path

import numpy as np
import torch

from person_search.detectors.detector import FoundBoxes
from person_search.networks.checks import check_wide_enough
from person_search.networks.network import Picture
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.batches.pictures import scene_floats
from pipeline.devices import one_device
from pipeline.models.detector import Detector
from pipeline.models.heads import load_student
from pipeline.models.weight_files import describe_weights


class TorchDetector:
    """A detector or a student, which is not asked for embeddings; a `PeopleDetector`."""

    def __init__(self, path: Path) -> None:
        """Load a weight file.

        Raises:
            UserError: it holds neither a detector nor a student, or is damaged.
        """
        kind = describe_weights(path).kind
        if kind == "reid":
            raise UserError(f"{path} holds a re-ID network, which finds nobody; give a detector or a student")
        self._network = Detector.load(path) if kind == "detector" else load_student(path)
        self._device = one_device()
        self._network.to(self._device)
        self.files = (path,)
        self.file_hash = sha256_of(path)

    def detect(self, picture: Picture, least: float) -> FoundBoxes:
        """Find the people in a picture; see `PeopleDetector`."""
        check_wide_enough(picture, self._network.options.long_side)
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self._device)
        (found,) = self._network.detect([scene_floats(pixels.permute(2, 0, 1))])
        boxes, scores = found["boxes"].cpu().numpy(), found["scores"].cpu().numpy()
        sure = scores >= least
        return FoundBoxes(boxes[sure], scores[sure])
