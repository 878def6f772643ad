"""Own annotations as COCO JSON, in which an attribute says who a person is.

    annotations.json    images, annotations, categories; one file or several
    images/             the pictures, by their `file_name`

Read are boxes of people (`bbox`; masks are passed over), the identity and the camera. Annotations with
`iscrowd` or `ignore` become ignored boxes. Exports of CVAT, FiftyOne and supervision have this form.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pipeline.datasets.checks import UNBOUNDED, Findings, some
from pipeline.datasets.coco_file import (
    IGNORED,
    Entry,
    attribute,
    box_of,
    is_set,
    key_of,
    person_of,
    read_coco,
)
from pipeline.datasets.coco_options import UNDIVIDED, CocoOptions
from pipeline.datasets.coco_pictures import CocoPicture, pictures_of, refuse_doubles, without_doubles
from pipeline.datasets.coco_values import option_problems
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.own_boxes import BoxCutter, ignored_inside
from pipeline.datasets.pool import make_pool, natural
from pipeline.datasets.releases import require_folder
from pipeline.datasets.split_options import SplitOptions
from pipeline.datasets.splitting import split_as_given, split_pool
from pipeline.scenes.scene import UNKNOWN_CAMERA, FloatArray, Scene, Split

REPORT_EVERY = 1000
"""After how many pictures the progress is told."""


class Coco(DataSetOnDisk):
    """COCO JSON on disk.

    Args:
        root: the folder that files and pictures are below.
        options: what the files are called, and which attributes say what.
        split: how scenes are divided where the files do not say it.
    """

    name = "coco"

    def __init__(
        self, root: Path, options: CocoOptions | None = None, split: SplitOptions | None = None
    ) -> None:
        super().__init__(root)
        self._options = options or CocoOptions()
        self._split = split or SplitOptions()
        self.images = self.root / self._options.images
        self._sequences: dict[str, str] = {}

    def sequence_of(self, scene: Scene) -> str | None:
        """Return the sequence of a picture, as the options have it."""
        return self._sequences[scene.name]

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        require_folder(self.root, "give the folder that annotations and pictures are below")
        files = {
            split: [read_coco(self.root / name) for name in names]
            for split, names in self._options.annotations.items()
        }
        pictures = {
            split: [picture for file in held for picture in pictures_of(file, self._options, findings)]
            for split, held in files.items()
        }
        findings.problems += option_problems(
            [file for held in files.values() for file in held], self._options
        )
        everything = [(split, picture) for split, held in pictures.items() for picture in held]
        refuse_doubles([picture for _, picture in everything], findings)
        if findings.problems:
            return {}
        scenes, people, sequences = self._scenes([picture for _, picture in everything], findings)
        pool = make_pool(scenes, people, sequences)
        self._sequences = {scene.name: name for scene, name in zip(scenes, sequences, strict=True)}
        if UNDIVIDED in files:
            return split_pool(pool, self._split, self.root, findings)
        given = {picture.name: split for split, picture in everything}
        division = {
            split: [index for index, scene in enumerate(pool.scenes) if given[scene.name] == split]
            for split in files
        }
        return split_as_given(pool, division, self._split, findings)

    def _release(self, splits: Mapping[str, Split]) -> str:
        return f"own annotations ({sum(len(split.scenes) for split in splits.values()):,} pictures)"

    def _scenes(
        self, pictures: Sequence[CocoPicture], findings: Findings
    ) -> tuple[list[Scene], list[list[str | None]], list[str]]:
        """Return the scenes without their people, who is in each box, and each scene's sequence."""
        cameras = [self._camera(picture, findings) for picture in pictures]
        numbers = _camera_numbers(cameras, findings)
        cutter = BoxCutter(findings)
        scenes, people, sequences = [], [], []
        for position, (picture, camera) in enumerate(zip(pictures, cameras, strict=True)):
            sequence = self._sequence(picture, camera)
            scene, held = self._scene(picture, sequence, numbers[camera], cutter)
            scenes.append(scene)
            people.append(held)
            sequences.append(sequence)
            if self.progress is not None and (position + 1) % REPORT_EVERY == 0:
                self.progress(position + 1, len(pictures))
        cutter.note()
        return scenes, people, sequences

    def _scene(
        self, picture: CocoPicture, sequence: str, camera: int, cutter: BoxCutter
    ) -> tuple[Scene, list[str | None]]:
        """Return one scene, and who is in each of its boxes."""
        findings, size = cutter.findings, self._size(picture, cutter.findings)
        counted: list[tuple[Entry, FloatArray]] = []
        ignored: list[FloatArray] = []
        for annotation in without_doubles(picture, findings):
            box = box_of(annotation)
            if box is None:
                findings.problems.append(
                    f"{picture.place(annotation)}: bbox {annotation.get('bbox')!r} is no x, y, width, height"
                )
            elif is_set(annotation, *IGNORED):
                ignored.append(box)
            else:
                counted.append((annotation, box))
        places = [picture.place(annotation) for annotation, _ in counted]
        boxes, kept = cutter(np.array([box for _, box in counted]).reshape(-1, 4), size, places)
        people = [
            self._person(annotation, sequence)
            for (annotation, _), keep in zip(counted, kept, strict=True)
            if keep
        ]
        unseen = ignored_inside(np.array(ignored).reshape(-1, 4), size)
        return Scene(picture.name, boxes, np.empty(0, np.int64), camera, unseen), people

    def _person(self, annotation: Entry, sequence: str) -> str | None:
        if self._options.identity is None:
            return None
        person = person_of(attribute(annotation, self._options.identity))
        return f"{sequence}/{person}" if person and self._options.ids_per_sequence else person

    def _camera(self, picture: CocoPicture, findings: Findings) -> str | None:
        """Return a picture's camera as text; None where it has none."""
        if self._options.camera_pattern is not None:
            match = re.search(self._options.camera_pattern, picture.name)
            if match is None:
                findings.problems.append(
                    f"{picture.where}: `coco.camera_pattern` finds no camera in {picture.name}"
                )
                return None
            return next(iter(match.groups()), match.group()) or match.group()
        if self._options.camera is None:
            return None
        named = [
            key_of(attribute(entry, self._options.camera)) for entry in (picture.entry, *picture.annotations)
        ]
        cameras = sorted({camera for camera in named if camera}, key=natural)
        if len(cameras) > 1:
            findings.problems.append(f"{picture.where}: {picture.name} has several cameras: {some(cameras)}")
        return cameras[0] if cameras else None

    def _sequence(self, picture: CocoPicture, camera: str | None) -> str:
        if self._options.sequence is not None:
            return key_of(attribute(picture.entry, self._options.sequence)) or ""
        folder = PurePosixPath(picture.name).parent.as_posix()
        return " ".join([*([] if folder == "." else [folder]), *([camera] if camera else [])])

    def _size(self, picture: CocoPicture, findings: Findings) -> tuple[float, float]:
        """Return a picture's width and height: the file's, or where it is missing those of the annotation."""
        size, stated = self.size_of(picture.name), _stated_size(picture.entry)
        if stated is None or size == UNBOUNDED:
            return stated or size
        if tuple(size) != stated:
            findings.problems.append(
                f"{picture.where}: {picture.name} is {size[0]:g} x {size[1]:g}, the annotation says "
                f"{stated[0]:g} x {stated[1]:g}, so its boxes would be wrong"
            )
        return size


def _stated_size(entry: Entry) -> tuple[float, float] | None:
    """Return width and height of an image as its entry states them; None where it does not."""
    sides = [entry.get(side) for side in ("width", "height")]
    sound = [float(side) for side in sides if isinstance(side, (int, float)) and side > 0]
    return (sound[0], sound[1]) if len(sound) == 2 else None


def _camera_numbers(cameras: Sequence[str | None], findings: Findings) -> dict[str | None, int]:
    """Return the number of each camera: its own where all are whole numbers, else 1, 2, ... by name."""
    names = sorted({camera for camera in cameras if camera is not None}, key=natural)
    if all(name.isdecimal() and len(name) < 10 and str(int(name)) == name for name in names):
        return {None: UNKNOWN_CAMERA, **{name: int(name) for name in names}}
    findings.notes.append(
        f"cameras are numbered: {some([f'{number} is {name}' for number, name in enumerate(names, 1)])}"
    )
    return {None: UNKNOWN_CAMERA, **{name: number for number, name in enumerate(names, 1)}}
