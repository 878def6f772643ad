"""The data set that a command is given: by name and folder, with the settings of params.yaml."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipeline.basics.errors import UserError, naming
from pipeline.basics.options import parse_options
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.sources import MIXED, open_source
from pipeline.datasets.synthetic.data_set import Synthetic
from stages.prepare import DataSetOptions
from stages.support.parameters import PARAMETERS, Parameters

SECTION = "dataset"
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "coco": ("coco", "split"),
    "mot": ("mot", "split"),
    MIXED: ("parts", "searched"),
}
"""Which keys of the section `dataset` a data set is read by, besides name and root."""


def given_data_set(name: str | None, root: Path | None) -> DataSetOnDisk:
    """Return the data set that a command is given; nothing of it is read yet.

    Args:
        name: which data set; None for that of params.yaml.
        root: its folder.

    Raises:
        UserError: there is no such data set, it is drawn by the project, or its settings are wrong.
    """
    if name is None:
        if not PARAMETERS.exists():
            raise UserError(f"no {PARAMETERS} here, which names a data set; give --dataset and --root")
        values = dict(_section())
        if root is not None:
            values["root"] = str(root)
    else:
        section = _section() if name in SETTINGS and PARAMETERS.exists() else {}
        values = {key: section[key] for key in SETTINGS.get(name, ()) if key in section}
        values |= {"name": name, "root": None if root is None else str(root)}
    options = parse_options(DataSetOptions, values, f"{PARAMETERS}: {SECTION}")
    if options.name == Synthetic.name:
        raise UserError(
            f"data set '{options.name}' is drawn by the project; give --dataset and --root of another"
        )
    with naming(f"{PARAMETERS}: {SECTION}") if name is None else nullcontext():
        return open_source(options)


def _section() -> Mapping[str, Any]:
    return Parameters((SECTION,)).section(SECTION)
