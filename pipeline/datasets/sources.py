"""The data sets that can be read, by the name that params.yaml and the commands use."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.pictures import Pictures
from pipeline.datasets.prw import Prw, PrwMini

KINDS: tuple[type[DataSetOnDisk], ...] = (CuhkSysu, Prw, PrwMini, Pictures)
"""A new data set is a class in a file of its own, named here."""

SOURCES: Mapping[str, type[DataSetOnDisk]] = {kind.name: kind for kind in KINDS}


def open_data_set(name: str, root: Path | None) -> DataSetOnDisk:
    """Return a data set by name; nothing is read yet. Raises `UserError` for an unknown name or no root."""
    if name not in SOURCES:
        raise UserError(f"there is no data set '{name}'; there are {', '.join(SOURCES)}")
    if root is None:
        raise UserError(f"data set '{name}' needs a root: the folder that it was unpacked to")
    return SOURCES[name](root)
