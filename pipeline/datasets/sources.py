"""The data sets that there are, by the name that params.yaml and the commands use."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.prw import Prw, PrwMini

Builder = Callable[[Path | None], DataSet]
"""Makes a data set from the folder that it was unpacked to, if it needs one."""


def _on_disk(kind: Callable[[Path], DataSet], name: str) -> Builder:
    def build(root: Path | None) -> DataSet:
        if root is None:
            raise UserError(f"data set '{name}' needs a root: the folder that it was unpacked to")
        return kind(root)

    return build


SOURCES: Mapping[str, Builder] = {
    "cuhk_sysu": _on_disk(CuhkSysu, "cuhk_sysu"),
    "prw": _on_disk(Prw, "prw"),
    "prw_mini": _on_disk(PrwMini, "prw_mini"),
}


def open_data_set(name: str, root: Path | None) -> DataSet:
    """Return a data set by name; nothing is read yet. Raises `UserError` for an unknown name or no root."""
    if name not in SOURCES:
        raise UserError(f"there is no data set '{name}'; there are {', '.join(SOURCES)}")
    return SOURCES[name](root)
