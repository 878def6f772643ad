"""Crops of people at their ground-truth boxes, for the re-identification model."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import UNLABELLED, FloatArray, Scene, Split

CROP_QUALITY = 95


def pixels_of(box: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the whole pixels (left, top, right, bottom) of a box `[4]`: at least one, all in the picture."""
    left, top = np.floor(box[:2])
    right, bottom = np.ceil(box[2:])
    left, top = int(np.clip(left, 0, width - 1)), int(np.clip(top, 0, height - 1))
    return left, top, int(np.clip(right, left + 1, width)), int(np.clip(bottom, top + 1, height))


def crop_jpeg(image: Image.Image, box: FloatArray) -> bytes:
    """Cut a box `[4]` (pixels, any part of it outside is left out) from a picture and encode it."""
    encoded = BytesIO()
    cut = image.crop(pixels_of(box, image.width, image.height))
    cut.save(encoded, format="JPEG", quality=CROP_QUALITY)
    return encoded.getvalue()


class LabelledCrops:
    """The labelled people of one split as a data set of their own: each a scene that its one box fills."""

    def __init__(self, data: PreparedDataSet, split: str) -> None:
        self.name = data.name
        self._split = data.split(split)
        self._images = data.images(split)
        self._people = [
            (scene, int(position))
            for scene, content in enumerate(self._split.scenes)
            for position in np.flatnonzero(content.person_ids != UNLABELLED)
        ]

    def splits(self) -> Mapping[str, Split]:
        """Return the crops as one split, in the order of scenes and boxes."""
        crops = tuple(self._crop(scene, position) for scene, position in self._people)
        return {self._split.name: Split(self._split.name, crops, self._split.identities)}

    def image_bytes(self, split: str, index: int) -> bytes:  # noqa: ARG002 (there is one split)
        """Cut out and encode one person."""
        scene, position = self._people[index]
        with Image.open(BytesIO(self._images[scene].tobytes())) as image:
            return crop_jpeg(image.convert("RGB"), self._split.scenes[scene].boxes[position])

    def _crop(self, scene: int, position: int) -> Scene:
        source = self._split.scenes[scene]
        left, top, right, bottom = source.boxes[position]
        whole = np.array([[0.0, 0.0, right - left, bottom - top]])
        person = source.person_ids[position : position + 1]
        return Scene(f"{source.name}#{position}", whole, person, source.camera)
