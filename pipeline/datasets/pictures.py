"""A folder that `person-search annotate` wrote: frames, and the boxes that a detector found in them.

    frames/*.jpg        scenes
    annotations.json    COCO; `ignore: 1` marks a box that is unsure, `camera` of an image names its camera

Nobody in it is labelled, and there is a training split alone. Cameras are numbered by their sorted names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import read_json
from pipeline.datasets.checks import Findings, name_problem
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.scenes.boxes import xywh_to_xyxy
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED, Scene, Split

ANNOTATIONS, FRAMES, JOURNAL = "annotations.json", "frames", "journal.jsonl"
"""What such a folder holds; the journal is of `annotate` alone."""
AGAIN = "write it again with `person-search annotate`"


class Pictures(DataSetOnDisk):
    """An annotated folder on disk.

    Args:
        root: the folder.
    """

    name = "pictures"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.images = self.root / FRAMES

    def sequence_of(self, scene: Scene) -> str | None:  # noqa: ARG002 (it is the same for all)
        """Return None: nobody is labelled, so that all scenes are for training."""
        return None

    def _read(self, findings: Findings) -> Mapping[str, Split]:
        path = self.root / ANNOTATIONS
        stopped = (self.root / JOURNAL).exists()
        absent = "it was stopped before its end: run it again" if stopped else "give the folder that it wrote"
        content = read_json(path, absent=f"{path} is missing, of `annotate`; {absent}", again=AGAIN)
        try:
            images, of_image = list(content["images"]), _by_image(content["annotations"])
            cameras = {name: number for number, name in enumerate(sorted({*_cameras(images)}))}
            scenes = tuple(
                _scene(image, of_image.get(image["id"], []), cameras.get(image.get("camera"), UNKNOWN_CAMERA))
                for image in images
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path} is not as `annotate` writes it ({error!r}); {AGAIN}") from None
        for scene in scenes:
            if problem := name_problem(scene.name):
                findings.problems.append(f"{ANNOTATIONS}: {scene.name!r} {problem}")
        if not scenes:
            findings.problems.append(f"{path} has no frame; {AGAIN}, of pictures or videos that can be read")
        elif not any(len(scene.boxes) for scene in scenes):
            findings.warn("there is no person in any frame: were the detector's YAML and --score right?")
        return {"train": Split("train", scenes, ())}

    def _release(self, splits: Mapping[str, Split]) -> str:
        count = f"{len(splits['train'].scenes):,}"
        return f"{count} frames with a detector's boxes; nobody is labelled, and there is no test split"


def _by_image(annotations: list[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    found = dict[Any, list[dict[str, Any]]]()
    for annotation in annotations:
        found.setdefault(annotation["image_id"], []).append(annotation)
    return found


def _cameras(images: list[dict[str, Any]]) -> list[str]:
    return [image["camera"] for image in images if image.get("camera") is not None]


def _scene(image: Mapping[str, Any], annotations: list[dict[str, Any]], camera: int) -> Scene:
    boxes = xywh_to_xyxy(np.array([own["bbox"] for own in annotations], dtype=np.float64))
    ignored = np.array([bool(own.get("ignore") or own.get("iscrowd")) for own in annotations], dtype=bool)
    ids = np.full(int((~ignored).sum()), UNLABELLED, dtype=np.int64)
    return Scene(str(image["file_name"]), boxes[~ignored], ids, camera, boxes[ignored])
