"""What every network does that finds and embeds people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""RGB, `[h, w, 3]`, upright."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoundPeople:
    """The people found in one picture.

    Attributes:
        boxes: `[N, 4]` x1 y1 x2 y2, in pixels of the picture that the network was given.
        scores: `[N]` 0..1, falling.
        embeddings: `[N, D]` of unit length.
    """

    boxes: Floats
    scores: Floats
    embeddings: Floats


class SearchNetwork(Protocol):
    """A network that finds and embeds people.

    Attributes:
        embedding_dim: D.
        model_hash: SHA-256 of the weight file, in hexadecimal digits. An ONNX file of 32 or 16 bits has that
            of the weight file that it was made from, since their embeddings can be compared; one of 8 bits
            has its own.
        preprocessing: what is done to a picture before the network sees it, as plain values for JSON.
    """

    embedding_dim: int
    model_hash: str
    preprocessing: Mapping[str, Any]

    def detect(self, pictures: Sequence[Picture]) -> list[FoundPeople]:
        """Find and embed the people in pictures of any sizes.

        Raises:
            UserError: a picture is too narrow for the network.
        """
        ...

    def embed(self, picture: Picture, boxes: Floats) -> Floats:
        """Embed the people in boxes `[K, 4]` of a picture, in its pixels: `[K, D]` of unit length.

        Raises:
            UserError: the picture is too narrow for the network.
        """
        ...
