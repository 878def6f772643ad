"""Crops of people at their ground-truth boxes, for the re-identification model."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.scenes.boxes import pixels_of
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import UNLABELLED, FloatArray, Scene, Split

CROP_QUALITY = 95
"""JPEG quality of the crops."""


def crop_jpeg(image: Image.Image, box: FloatArray) -> bytes:
    """Cut a box `[4]`, in pixels and clipped to the picture, from a picture and encode it as JPEG."""
    encoded = BytesIO()
    cut = image.crop(pixels_of(box, image.width, image.height))
    cut.save(encoded, format="JPEG", quality=CROP_QUALITY)
    return encoded.getvalue()


class LabelledCrops:
    """The labelled people of one split as a data set: each crop is a scene that is filled by its one box.

    Attributes:
        people: for each crop, its scene and its box there, as indices.
    """

    def __init__(self, data: PreparedDataSet, split: str) -> None:
        self.name = data.name
        self._split = data.split(split)
        self._images = data.images(split)
        self.people = [
            (scene, int(position))
            for scene, content in enumerate(self._split.scenes)
            for position in np.flatnonzero(content.person_ids != UNLABELLED)
        ]

    def splits(self) -> Mapping[str, Split]:
        """Return the crops as one split, in the order of scenes and boxes."""
        crops = tuple(self._crop(scene, position) for scene, position in self.people)
        return {self._split.name: Split(self._split.name, crops, self._split.identities)}

    def image_bytes(self, split: str, index: int) -> bytes:  # noqa: ARG002 (there is one split)
        """Cut out and encode one person; a picture that is a crop already stays as it is."""
        scene, position = self.people[index]
        box, encoded = self._split.scenes[scene].boxes[position], self._images[scene].tobytes()
        with Image.open(BytesIO(encoded)) as image:
            if (box == (0, 0, image.width, image.height)).all():
                return encoded
            return crop_jpeg(image.convert("RGB"), box)

    def _crop(self, scene: int, position: int) -> Scene:
        source = self._split.scenes[scene]
        left, top, right, bottom = source.boxes[position]
        whole = np.array([[0.0, 0.0, right - left, bottom - top]])
        person = source.person_ids[position : position + 1]
        return Scene(f"{source.name}#{position}", whole, person, source.camera)
