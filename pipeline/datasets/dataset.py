"""The interface of a data set. To add one: a file beside this one, and its class in `sources.py`."""

from collections.abc import Mapping
from typing import Protocol

from pipeline.scenes.scene import Split


class DataSet(Protocol):
    """A data set as its reader presents it: annotations at once, pictures one by one.

    `on_disk.DataSetOnDisk` has most of it for a data set in a folder; `prw.py` is an example.

    Attributes:
        name: the data set's name in params.yaml.
    """

    name: str

    def splits(self) -> Mapping[str, Split]:
        """Return the splits by name (`train`, `val`, `test`). Raises `UserError` on bad annotations."""
        ...

    def image_bytes(self, split: str, index: int) -> bytes:
        """Return the encoded JPEG of one scene. Raises `UserError` where it is missing or broken."""
        ...
