"""Market-1501's layout (Zheng et al., ICCV 2015): crops of people, for the re-identification teacher alone.

    bounding_box_train/*.jpg    train
    bounding_box_test/*.jpg     test: the gallery
    query/*.jpg                 test: the queries

A name is `0002_c1s1_000451_03.jpg`: the person, camera and sequence, frame, number. Person -1 is junk, left
out; 0000 is a distractor, somebody unlabelled. Each crop is a scene that is filled by its one box.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.checks import UNBOUNDED, Findings
from pipeline.datasets.galleries import all_other_scenes
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.pool import natural
from pipeline.datasets.releases import release_of, require_layout
from pipeline.scenes.scene import UNLABELLED, Query, Scene, Split

TRAIN, GALLERY, QUERY = "bounding_box_train", "bounding_box_test", "query"
FOLDERS = (TRAIN, GALLERY, QUERY)
NAME = re.compile(r"(-?[0-9]{1,9})_c([0-9]{1,9})")
"""How a crop's file name starts, as readers of this layout take it."""
DISTRACTOR, JUNK = 0, -1
SUFFIXES = (".jpg", ".jpeg")
WITHOUT_PICTURE = (64.0, 128.0)
"""The size taken for a crop that is missing or broken; the check of the pictures reports it. Market's own."""
PUBLISHED = {"train crops": 12936, "train identities": 751, "gallery crops": 19732, "queries": 3368}
REPORT_EVERY = 1000


class Market(DataSetOnDisk):
    """Market-1501, or another set in its layout, on disk. A scene's name is the crop's path below the root.

    `splits()["test"]` has the galleries `full` (all other crops, those of other queries included) and
    `cross_camera`; neither is the protocol of Market-1501's published scores.

    Args:
        root: the folder that it was unpacked to.
    """

    name = "market"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.images = self.root

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        require_layout(self.root, "market", FOLDERS)
        crops = {folder: self._crops(folder, findings) for folder in FOLDERS}
        if findings.problems:
            return {}
        total = sum(map(len, crops.values()))
        train = self._split("train", crops[TRAIN], 0, total)
        test = self._split("test", crops[QUERY] + crops[GALLERY], len(crops[TRAIN]), total)
        if not test.scenes:
            return {"train": train}
        queries = tuple(
            Query(index, scene.boxes[0], int(scene.person_ids[0]))
            for index, scene in enumerate(test.scenes[: len(crops[QUERY])])
            if scene.person_ids[0] != UNLABELLED
        )
        galleries = {
            "full": all_other_scenes(queries, test.scenes, cross_camera=False),
            "cross_camera": all_other_scenes(queries, test.scenes, cross_camera=True),
        }
        return {
            "train": train,
            "test": Split("test", test.scenes, test.identities, queries, galleries, "full"),
        }

    def _release(self, splits: Mapping[str, Split]) -> str:
        if "test" not in splits:
            return "crops of people to train on"
        train, test = splits["train"], splits["test"]
        gallery = len(test.scenes) - len(test.queries)
        found = (len(train.scenes), len(train.identities), gallery, len(test.queries))
        return release_of({what: (n, PUBLISHED[what]) for what, n in zip(PUBLISHED, found, strict=True)})

    def _crops(self, folder: str, findings: Findings) -> list[tuple[str, int, int]]:
        """Return path, person and camera of a folder's crops, in natural order; junk is counted."""
        names = [path.name for path in (self.root / folder).iterdir() if path.suffix.lower() in SUFFIXES]
        crops, junk = [], 0
        for name in sorted(names, key=natural):
            match = NAME.match(name)
            person = int(match.group(1)) if match else JUNK
            if match is None or person < JUNK:
                findings.problems.append(
                    f"{folder}/{name}: a name starts with person and camera, as 0002_c1s1_000451_03.jpg"
                )
            elif person == JUNK:
                junk += 1
            else:
                crops.append((f"{folder}/{name}", person, int(match.group(2))))
        findings.note_count(junk, f"crops of {folder} are junk (-1) and left out")
        if folder == TRAIN and not crops:
            findings.problems.append(f"{self.root / folder} holds no crops of people ({', '.join(SUFFIXES)})")
        return crops

    def _split(self, name: str, crops: Sequence[tuple[str, int, int]], done: int, total: int) -> Split:
        """Return a split of these crops; of all `total` crops, `done` have been looked at before."""
        people = sorted({person for _, person, _ in crops} - {DISTRACTOR})
        numbers = {person: index for index, person in enumerate(people)}
        scenes = []
        for position, (path, person, camera) in enumerate(crops, start=done + 1):
            size = self.size_of(path)
            width, height = WITHOUT_PICTURE if size == UNBOUNDED else size
            ids = np.array([numbers.get(person, UNLABELLED)])
            scenes.append(Scene(path, np.array([[0.0, 0.0, width, height]]), ids, camera))
            if self.progress is not None and position % REPORT_EVERY == 0:
                self.progress(position, total)
        return Split(name, tuple(scenes), tuple(str(person) for person in people))
