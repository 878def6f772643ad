"""Writing the labelled people of a prepared data set as crops in Market-1501's layout."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import write_json
from pipeline.basics.progress import Progress
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.market import FOLDERS, GALLERY, QUERY, TRAIN
from pipeline.datasets.processes import in_processes
from pipeline.datasets.split_options import SPLITS
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import Split

PEOPLE = "people.json"
"""The file that says who the numbers are."""
PERSON_DIGITS, FRAME_DIGITS, BOX_DIGITS = 4, 6, 2


class ExportedCrops(NamedTuple):
    """What was written: the number of crops by folder, of people, and of cameras."""

    crops: Mapping[str, int]
    people: int
    cameras: int


def write_market(data: PreparedDataSet, out: Path, progress: Progress) -> ExportedCrops:
    """Write crops of all labelled people, into a temporary folder first, which then becomes `out`.

    A crop is called `0002_c1s1_000451_03.jpg`: person, camera, split (1 to 3 for train, val and test), scene,
    box. People are numbered from 1 through all splits, cameras from 1 in the order of their own numbers. The
    people of `train` are in `bounding_box_train`. Of those of `val` and `test`, the queries are in `query`
    and the other crops in `bounding_box_test`, at least one a person. Equal data give equal bytes.

    Args:
        data: the data set.
        out: the folder to make; it may be there if it is empty.
        progress: progress over all crops.

    Raises:
        UserError: `out` holds something, nobody is labelled, or a picture is damaged. Nothing is left behind.
    """
    splits = {name: data.split(name) for name in SPLITS if data.has(name)}
    total = sum(data.manifest["splits"][name]["counts"]["labelled"] for name in splits)
    if not total:
        raise UserError(f"data set '{data.name}' at {data.root} has no labelled people to cut out")
    cameras = {camera: number for number, camera in enumerate(_cameras(splits.values()), start=1)}
    crops, people, finished = dict.fromkeys(FOLDERS, 0), dict[str, dict[str, str]](), count(1)
    with _made_whole(out) as beside:
        for name, split in splits.items():
            source, first = LabelledCrops(data, name), 1 + len(people)
            encoded = in_processes(partial(source.image_bytes, name), range(len(source.people)))
            folders, names = _folders(split, source.people), _names(split, source.people, first, cameras)
            for folder, file, content in zip(folders, names, encoded, strict=True):
                (beside / folder / file).write_bytes(content)
                crops[folder] += 1
                progress(next(finished), total)
            for number, own in enumerate(split.identities, start=first):
                people[f"{number:0{PERSON_DIGITS}}"] = {"split": name, "person": own}
        known = {"dataset": data.name, "dataset_sha256": data.sha256, "people": people}
        write_json(beside / PEOPLE, known)
    return ExportedCrops(crops, len(people), len(cameras))


def check_is_free(out: Path) -> None:
    """Raise `UserError` where something is at `out` already, but for an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already: give a folder that is empty or not there")


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """Give a folder with the folders of the layout, which becomes `out` when the block is done.

    Raises:
        UserError: `out` holds something.
    """
    check_is_free(out)
    beside = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for folder in FOLDERS:
            (beside / folder).mkdir(parents=True)
        yield beside
        if out.exists():
            out.rmdir()
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _names(
    split: Split, crops: Sequence[tuple[int, int]], first: int, cameras: Mapping[int, int]
) -> list[str]:
    """Return the file name of each crop of a split, whose people are numbered from `first`."""
    names = []
    for scene, position in crops:
        person = first + int(split.scenes[scene].person_ids[position])
        camera, sequence = cameras[split.scenes[scene].camera], SPLITS.index(split.name) + 1
        names.append(
            f"{person:0{PERSON_DIGITS}}_c{camera}s{sequence}_{scene:0{FRAME_DIGITS}}"
            f"_{position:0{BOX_DIGITS}}.jpg"
        )
    return names


def _cameras(splits: Iterable[Split]) -> list[int]:
    return sorted({int(camera) for split in splits for camera in split.cameras})


def _folders(split: Split, crops: Sequence[tuple[int, int]]) -> list[str]:
    """Return the folder of each crop of a split: a query's is `query` while its person has another crop."""
    if split.name == "train":
        return [TRAIN] * len(crops)
    places = {place: index for index, place in enumerate(crops)}
    person = [int(split.scenes[scene].person_ids[position]) for scene, position in crops]
    left = np.bincount(np.array(person, dtype=np.int64), minlength=len(split.identities))
    folders = [GALLERY] * len(crops)
    for query in split.queries:
        held = np.flatnonzero(split.scenes[query.scene].person_ids == query.person_id)
        index = places.get((query.scene, int(held[0]))) if len(held) else None
        if index is not None and folders[index] == GALLERY and left[query.person_id] > 1:
            folders[index] = QUERY
            left[query.person_id] -= 1
    return folders
