"""Stage `prepare`: pack the data set into shards that everything else reads."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from pipeline.basics.errors import naming
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.packing import prepare
from pipeline.datasets.sources import MIXED, SOURCES, MixedOptions, open_source
from pipeline.datasets.synthetic.data_set import Synthetic, SyntheticOptions
from stages.support.parameters import PARAMETERS, Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress, say, stage

PARAMS = ("dataset",)


class DataSetOptions(MixedOptions):
    """Which data set.

    Attributes:
        name: `synthetic`, one of `pipeline/datasets/sources.py`, or `mixed`.
        root: folder that a real data set was unpacked to, from the project's root; not for `synthetic`.
        on_broken_image: `stop` with a list of all broken pictures, or `skip`: train without them. A broken
            picture of a test split always stops.
        pictures: `copy`: prepared data hold them; or `reference`: prepared data hold the paths and SHA-256 of
            the files below `root`, which must stay there. Not for `synthetic`, which has no files.
        synthetic: what is drawn where the name is `synthetic`.
    """

    on_broken_image: Literal["stop", "skip"] = "stop"
    pictures: Literal["copy", "reference"] = "copy"
    synthetic: SyntheticOptions = Field(default_factory=SyntheticOptions)

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        known = (Synthetic.name, *SOURCES, MIXED)
        if name not in known:
            raise ValueError(f"it must be one of {', '.join(known)}")
        return name

    @field_validator("validation")
    @classmethod
    def _brings_none(cls, validation: object, info: ValidationInfo) -> object:
        if validation is not None and info.data.get("name") == Synthetic.name:
            raise ValueError("`synthetic` draws validation scenes of its own; leave it out")
        return validation

    @field_validator("pictures")
    @classmethod
    def _has_files(cls, pictures: str, info: ValidationInfo) -> str:
        if pictures == "reference" and info.data.get("name") == Synthetic.name:
            raise ValueError("`synthetic` has no files to refer to; it must be copy")
        return pictures


@stage
def main() -> None:
    """Pack the data set into shards."""
    options = Parameters(PARAMS).options("dataset", DataSetOptions)
    data_set = _open(options)
    if isinstance(data_set, DataSetOnDisk):
        with ShownProgress("prepare: reading annotations") as progress:
            data_set.progress = progress
            data_set.splits()
    with ShownProgress("prepare") as progress:
        data = prepare(
            data_set,
            PREPARED,
            progress,
            skip_broken=options.on_broken_image == "skip",
            refer=options.pictures == "reference",
        )
    say(f"{PREPARED}: data set '{data.name}', {', '.join(map(_described, data.manifest['splits'].items()))}")


def _described(entry: tuple[str, Mapping[str, Any]]) -> str:
    name, split = entry
    left_out = f" ({len(split['left_out'])} broken ones left out)" if "left_out" in split else ""
    return f"{name} {split['counts']['scenes']} scenes{left_out}"


def _open(options: DataSetOptions) -> DataSet:
    if options.name == Synthetic.name:
        return Synthetic(options.synthetic)
    with naming(f"{PARAMETERS}: dataset"):
        return open_source(options)


if __name__ == "__main__":
    main()
