"""What a data set must offer, and the table of those that there are."""

from collections.abc import Mapping
from typing import Protocol

from pipeline.scenes.scene import Split


class DataSet(Protocol):
    """A data set as its reader presents it: annotations at once, pictures one by one.

    A new data set is a new file beside this one with a class of this shape, and a line in `sources.py`.
    """

    name: str

    def splits(self) -> Mapping[str, Split]:
        """Return the splits by name (`train`, `val`, `test`). Raises `UserError` on bad annotations."""
        ...

    def image_bytes(self, split: str, index: int) -> bytes:
        """Return the encoded JPEG of one scene. Raises `UserError` where it is missing or broken."""
        ...
