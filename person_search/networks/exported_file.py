"""What a file of `person-search export` says of itself, and how its inputs and outputs are called.

Both who writes such a file and who reads it take the names from here.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pipeline.basics.errors import UserError

FORMAT_VERSION = "1"
METADATA = "person_search"
"""The one entry of ONNX' metadata that everything is in, as JSON."""
Precision = Literal["float32", "float16", "int8"]
Task = Literal["search", "embed"]

PICTURE = "picture"
"""`[h, w, 3]` uint8; with a batch `[B, h, w, 3]`."""
GIVEN_BOXES = "given_boxes"
"""`[K, 4]` float32 x1 y1 x2 y2 in pixels of the picture. In a search, it need not be given: there is none."""
GIVEN_PICTURES = "given_pictures"
"""`[K]` int64, with a batch: which of its pictures each given box is in."""
BOXES, SCORES, EMBEDDINGS = FOUND = ("boxes", "scores", "embeddings")
"""`[N, 4]`, `[N]` and `[N, D]`; with a batch `[B, M, ...]`, padded with zeros."""
COUNTS = "counts"
"""`[B]` int64, with a batch: how many people are found in each picture."""
GIVEN_EMBEDDINGS = "given_embeddings"
"""`[K, D]`."""


@dataclass(frozen=True)
class ExportedFile:
    """What an exported file says of itself.

    Attributes:
        head: the kind of network, a name of `pipeline/models/heads.py`.
        embedding_dim: D.
        preprocessing: what the graph does to a picture before the network sees it.
        weights_sha256: of the weight file that it was made from, in hexadecimal digits.
        precision: what the heavy layers compute in.
        batch: whether it takes several pictures of one size.
        task: `search`, or `embed` for boxes alone.
    """

    head: str
    embedding_dim: int
    preprocessing: dict[str, Any]
    weights_sha256: str
    precision: Precision
    batch: bool
    task: Task

    def as_text(self) -> str:
        """Return it as JSON, equal text for equal content."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str | None, name: str) -> "ExportedFile":
        """Read what `as_text` wrote.

        Args:
            text: the metadata entry; None where the file has none.
            name: of the file, for the error.

        Raises:
            UserError: it was not written by `person-search export` of this version.
        """
        try:
            values = json.loads(text or "")
            version = values.pop("format_version")
        except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
            raise UserError(f"{name} was not written by `person-search export`") from None
        if version != FORMAT_VERSION:
            raise UserError(
                f"{name} has version {version} of `person-search export`'s format, not {FORMAT_VERSION}; "
                "export it again"
            )
        try:
            described = cls(**values)
        except TypeError:
            described = None
        if described is None or not described.is_sound():
            raise UserError(f"{name} is damaged: its metadata are not what was written; export again")
        return described

    def is_sound(self) -> bool:
        """Tell whether the values are of the kinds that they must be, as far as a reader relies on them."""
        sides = (self.preprocessing.get(side) for side in ("short_side", "long_side"))
        return (
            isinstance(self.preprocessing, dict)
            and all(isinstance(number, int) and number > 0 for number in (self.embedding_dim, *sides))
            and self.precision in get_args(Precision)
            and self.task in get_args(Task)
            and isinstance(self.batch, bool)
        )
