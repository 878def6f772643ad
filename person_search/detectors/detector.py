"""What every detector of people does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from person_search.networks.network import Floats, Picture


@dataclass(frozen=True)
class FoundBoxes:
    """The people found in one picture.

    Attributes:
        boxes: `[N, 4]` x1 y1 x2 y2, in pixels of the picture; they may reach over its edge.
        scores: `[N]` 0..1, falling.
    """

    boxes: Floats
    scores: Floats


class PeopleDetector(Protocol):
    """A detector of people.

    Attributes:
        files: all that it was loaded from: the model, then the YAML that says how it is fed and read, where
            it has one.
        file_hash: SHA-256 of these, in hexadecimal digits.
    """

    files: tuple[Path, ...]
    file_hash: str

    def detect(self, picture: Picture, least: float) -> FoundBoxes:
        """Find the people in a picture whose score is at least `least`.

        Raises:
            UserError: the picture is too narrow, or what the detector gives for it is no number.
        """
        ...
