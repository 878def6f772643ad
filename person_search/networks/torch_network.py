"""A student in PyTorch, from its weight file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.transform import resize_boxes

from person_search.networks.checks import check_wide_enough
from person_search.networks.network import Floats, FoundPeople, Picture
from person_search.networks.preprocessing import preprocessing_of
from pipeline.basics.hashing import sha256_of
from pipeline.batches.pictures import scene_floats
from pipeline.devices import one_device
from pipeline.models.heads import load_student


class TorchNetwork:
    """A student that finds and embeds people; a `SearchNetwork`.

    On the CPU a picture's result does not depend on the pictures beside it. On a GPU, pictures of one size go
    through the network together, so that last bits may depend on how many there are.

    A query-guided student (`head: qeeps`) sees each picture as its own query, so that nobody is looked for.

    Attributes:
        device: where it runs.
    """

    def __init__(self, path: Path, device: torch.device | None = None) -> None:
        """Load a student.

        Args:
            path: its weight file.
            device: where it runs; None for what `pipeline.devices.one_device` gives.

        Raises:
            UserError: there is no such file, or it is no student's.
        """
        self._network = load_student(path)
        self.device = one_device() if device is None else device
        self._network.to(self.device)
        options = self._network.options
        self.embedding_dim = options.embedding_dim
        self.model_hash = sha256_of(path)
        self.preprocessing: Mapping[str, Any] = preprocessing_of(options.short_side, options.long_side)

    def detect(self, pictures: Sequence[Picture]) -> list[FoundPeople]:
        """Find and embed the people in pictures of any sizes; see `SearchNetwork`."""
        for picture in pictures:
            check_wide_enough(picture, self._network.options.long_side)
        nothing = self._boxes(np.zeros((0, 4), np.float32))
        found: dict[int, FoundPeople] = {}
        for together in self._batches(pictures):
            images = [self._tensor(pictures[place]) for place in together]
            detections, _ = self._network.search(images, [nothing] * len(images))
            found |= dict(zip(together, map(_as_arrays, detections), strict=True))
        return [found[place] for place in range(len(pictures))]

    @torch.no_grad()
    def embed(self, picture: Picture, boxes: Floats) -> Floats:
        """Embed the people in boxes `[K, 4]` of a picture; see `SearchNetwork`."""
        check_wide_enough(picture, self._network.options.long_side)
        if not len(boxes):
            return np.zeros((0, self.embedding_dim), np.float32)
        batch, features = self._network.scene_features([self._tensor(picture)])
        resized = resize_boxes(self._boxes(boxes), list(picture.shape[:2]), list(batch.image_sizes[0]))
        rows = self._network.identity_features(features, [resized], batch.image_sizes)
        return _array(self._network.embed(rows))

    def _batches(self, pictures: Sequence[Picture]) -> list[list[int]]:
        """Return which pictures go through the network together."""
        if self.device.type == "cpu":
            return [[place] for place in range(len(pictures))]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for place, picture in enumerate(pictures):
            by_size.setdefault(picture.shape, []).append(place)
        return list(by_size.values())

    def _tensor(self, picture: Picture) -> Tensor:
        """Return a picture as float `[3, h, w]` in 0..1, on the network's device."""
        pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device)
        return scene_floats(pixels.permute(2, 0, 1))

    def _boxes(self, boxes: Floats) -> Tensor:
        return torch.from_numpy(np.asarray(boxes, np.float32)).to(self.device)


def _as_arrays(found: dict[str, Tensor]) -> FoundPeople:
    return FoundPeople(_array(found["boxes"]), _array(found["scores"]), _array(found["embeddings"]))


def _array(values: Tensor) -> Floats:
    result: Floats = values.cpu().numpy()
    return result
