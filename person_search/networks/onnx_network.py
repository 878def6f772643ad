"""A file of `person-search export`, run by ONNX Runtime. Nothing here needs PyTorch."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from person_search.networks.checks import check_wide_enough
from person_search.networks.exported_file import (
    BOXES,
    COUNTS,
    EMBEDDINGS,
    GIVEN_BOXES,
    GIVEN_EMBEDDINGS,
    GIVEN_PICTURES,
    METADATA,
    PICTURE,
    SCORES,
    ExportedFile,
)
from person_search.networks.network import Floats, FoundPeople, Picture
from pipeline.basics.errors import UserError
from pipeline.inference.onnx_session import open_session
from pipeline.inference.own_pictures.printable import printable

Values = Mapping[str, np.ndarray[Any, Any]]


class OnnxNetwork:
    """An exported student that finds and embeds people; a `SearchNetwork`.

    A picture's result does not depend on the pictures beside it, but where the file takes several at once.

    Attributes:
        described: what the file says of itself.
    """

    def __init__(self, path: Path, providers: Sequence[str] | None = None) -> None:
        """Load an exported student.

        Args:
            path: a file of `person-search export`.
            providers: names of what ONNX Runtime may compute with, the best first; None for CUDA where it is
                there, and else the CPU. The CPU's threads are `PERSON_SEARCH_THREADS`.

        Raises:
            UserError: the file is damaged or was not written by `person-search export`.
            OSError: it cannot be read.
        """
        content = path.read_bytes()
        self._name = printable(path)
        self._session = open_session(content, self._name, "export it again", providers)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.described = ExportedFile.from_text(metadata.get(METADATA), self._name)
        self.embedding_dim = self.described.embedding_dim
        own = hashlib.sha256(content).hexdigest()
        self.model_hash = own if self.described.precision == "int8" else self.described.weights_sha256
        self.preprocessing: Mapping[str, Any] = self.described.preprocessing

    def detect(self, pictures: Sequence[Picture]) -> list[FoundPeople]:
        """Find and embed the people in pictures of any sizes; see `SearchNetwork`.

        Raises:
            UserError: a picture is too narrow, or the file embeds boxes and does not look for people.
        """
        if self.described.task != "search":
            raise UserError(f"{self._name} embeds boxes and finds nobody; export it without --embed-only")
        for picture in pictures:
            self._check(picture)
        if not self.described.batch:
            return [self._found_in(picture) for picture in pictures]
        by_size: dict[tuple[int, ...], list[int]] = {}
        for place, picture in enumerate(pictures):
            by_size.setdefault(picture.shape, []).append(place)
        found: dict[int, FoundPeople] = {}
        for places in by_size.values():
            found |= zip(places, self._found_in_batch([pictures[place] for place in places]), strict=True)
        return [found[place] for place in range(len(pictures))]

    def embed(self, picture: Picture, boxes: Floats) -> Floats:
        """Embed the people in boxes `[K, 4]` of a picture; see `SearchNetwork`."""
        self._check(picture)
        if not len(boxes):
            return np.zeros((0, self.embedding_dim), np.float32)
        pixels, given = np.ascontiguousarray(picture), np.asarray(boxes, np.float32)
        inputs: Values = {PICTURE: pixels, GIVEN_BOXES: given}
        if self.described.batch:
            pictures = np.zeros(len(boxes), np.int64)
            inputs = {PICTURE: pixels[None], GIVEN_BOXES: given, GIVEN_PICTURES: pictures}
        embeddings: Floats = self._run([GIVEN_EMBEDDINGS], inputs)[GIVEN_EMBEDDINGS]
        return embeddings

    def _check(self, picture: Picture) -> None:
        check_wide_enough(picture, self.preprocessing["long_side"])

    def _found_in(self, picture: Picture) -> FoundPeople:
        found = self._run([BOXES, SCORES, EMBEDDINGS], {PICTURE: np.ascontiguousarray(picture)})
        return FoundPeople(found[BOXES], found[SCORES], found[EMBEDDINGS])

    def _found_in_batch(self, pictures: Sequence[Picture]) -> list[FoundPeople]:
        """Find people in pictures of one size."""
        found = self._run([BOXES, SCORES, EMBEDDINGS, COUNTS], {PICTURE: np.stack(pictures)})
        parts = zip(found[BOXES], found[SCORES], found[EMBEDDINGS], found[COUNTS], strict=True)
        return [FoundPeople(boxes[:n], scores[:n], rows[:n]) for boxes, scores, rows, n in parts]

    def _run(self, wanted: Sequence[str], inputs: Values) -> Values:
        """Compute the outputs that are wanted, and nothing that they do not need."""
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        return dict(zip(wanted, self._session.run(wanted, dict(inputs), options), strict=True))
