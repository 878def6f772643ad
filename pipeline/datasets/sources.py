"""The data sets that can be read, by the name that params.yaml and the commands use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, added_field
from pipeline.datasets.coco import Coco
from pipeline.datasets.coco_options import CocoOptions
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.market import Market
from pipeline.datasets.mixed import Mixed, Searched, SplitName
from pipeline.datasets.mot import Mot
from pipeline.datasets.mot_options import MotOptions
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.pictures import Pictures
from pipeline.datasets.prw import Prw, PrwMini
from pipeline.datasets.split_options import SplitOptions, ValidationOptions
from pipeline.datasets.with_validation import WithValidation
from pipeline.scenes.prepared import CROPS_ONLY

KINDS: tuple[type[DataSetOnDisk], ...] = (CuhkSysu, Prw, PrwMini, Coco, Mot, Market, Pictures)
"""A new data set is a class in a file of its own, named here."""

SOURCES: Mapping[str, type[DataSetOnDisk]] = {kind.name: kind for kind in KINDS}
MIXED = "mixed"
"""The name of a data set that is made of others."""


class SourceOptions(Options):
    """A data set on disk.

    Attributes:
        name: one of `SOURCES`.
        root: the folder that it was unpacked to.
        coco: what the files and attributes of COCO JSON are called.
        mot: which frames and boxes are taken of MOTChallenge's sequences.
        split: how the scenes of `coco` and `mot` are divided, and which searches are drawn.
    """

    name: str
    root: str | None = None
    coco: CocoOptions = CocoOptions()
    mot: MotOptions = MotOptions()
    split: SplitOptions = SplitOptions()


class PartOptions(SourceOptions):
    """A part of a mixed data set.

    Attributes:
        only: which of its splits are taken; None for all. `[test]` searches in a data set that nothing is
            trained on.
    """

    only: Annotated[tuple[SplitName, ...], Field(strict=False, min_length=1)] | None = added_field(None)

    @field_validator("name")
    @classmethod
    def _is_on_disk(cls, name: str) -> str:
        if name not in SOURCES:
            raise ValueError(f"it must be one of {', '.join(SOURCES)}")
        return name


class MixedOptions(SourceOptions):
    """A data set on disk, or several as one.

    Attributes:
        parts: what a data set of the name `mixed` is made of.
        searched: whether its validation and test scenes are the `first` part's, or those of `all` parts.
        validation: how a validation split is made of training scenes, for a data set that brings none; None
            for no such split.
    """

    parts: Annotated[tuple[PartOptions, ...], Field(strict=False)] = ()
    searched: Searched = added_field("first")
    validation: ValidationOptions | None = added_field(None)

    @field_validator("searched")
    @classmethod
    def _has_parts(cls, searched: Searched, info: ValidationInfo) -> Searched:
        if searched != "first" and info.data.get("name") != MIXED:
            raise ValueError(f"only `{MIXED}` has parts; leave it out")
        return searched

    @field_validator("validation")
    @classmethod
    def _has_scenes(
        cls, validation: ValidationOptions | None, info: ValidationInfo
    ) -> ValidationOptions | None:
        if validation is not None and info.data.get("name") in CROPS_ONLY:
            raise ValueError(f"`{info.data['name']}` has crops only, in which nobody is searched for")
        return validation


def open_source(options: SourceOptions) -> DataSetOnDisk:
    """Return a data set by its options; nothing is read yet.

    Raises:
        UserError: the name is unknown, the root is missing or empty, parts of a mixed data set do not go
            together, or there are parts and a root.
    """
    data_set = _as_it_is(options)
    if isinstance(options, MixedOptions) and options.validation is not None:
        return WithValidation(data_set, options.validation)
    return data_set


def open_data_set(name: str, root: Path | None) -> DataSetOnDisk:
    """Return a data set with its default options. Raises what `open_source` raises."""
    return open_source(SourceOptions(name=name, root=None if root is None else str(root)))


def _as_it_is(options: SourceOptions) -> DataSetOnDisk:
    """Return a data set with the splits that it brings. Raises what `open_source` raises."""
    if isinstance(options, MixedOptions) and options.parts:
        _check_parts_alone(options)
    if isinstance(options, MixedOptions) and options.name == MIXED:
        parts = [open_source(part) for part in options.parts]
        return Mixed(parts, options.searched, [part.only for part in options.parts])
    if options.name not in SOURCES:
        raise UserError(f"there is no data set '{options.name}'; there are {', '.join(SOURCES)}")
    if options.root is None:
        raise UserError(f"data set '{options.name}' needs a root: the folder that it was unpacked to")
    if not options.root.strip():
        raise UserError(
            f"data set '{options.name}': its root is empty; give the folder that it was unpacked to"
        )
    root = Path(options.root)
    if options.name == Coco.name:
        return Coco(root, options.coco, options.split)
    if options.name == Mot.name:
        return Mot(root, options.mot, options.split)
    return SOURCES[options.name](root)


def _check_parts_alone(options: MixedOptions) -> None:
    """Raise `UserError` where parts stand beside what is then not read: a root, or another name's."""
    if options.name != MIXED:
        raise UserError(f"data set '{options.name}' has no parts, only '{MIXED}' has; leave `parts` out")
    if options.root is not None:
        raise UserError(
            f"data set '{MIXED}': each part has its own root, and root '{options.root}' beside `parts` is "
            "not read; leave it out"
        )
