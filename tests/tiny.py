"""A data set small enough to train on in a second: coloured rectangles on grey noise are the people."""

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.models.backbones import BackboneOptions
from pipeline.models.detector import DetectorOptions, RoiOptions
from pipeline.models.person_search import PersonSearchOptions
from pipeline.models.region_proposals import RegionProposalOptions
from pipeline.models.reid import ReidOptions
from pipeline.scenes.scene import UNLABELLED, Galleries, Query, Scene, Split
from pipeline.training.engine.optimisation import TrainingOptions

WIDTH, HEIGHT = 128, 96
IDENTITIES = 4
TRAIN_SCENES, TEST_SCENES = 10, 6
COLOURS = ((230, 30, 30), (30, 230, 30), (40, 40, 240), (230, 230, 30), (230, 30, 230))
"""Of person 0, 1, 2, ...; the last is that of the unlabelled."""
EMPTY_SCENE = 4
"""The scene of each split without anybody in it."""
ROI = RoiOptions(
    pooled_height=6, pooled_width=4, sampled_rois=12, positive_fraction=0.5, detections_per_image=10
)
STRIPED = ROI.model_copy(update={"stripes": 3})
"""A person in three stripes."""
EARLY = ROI.model_copy(update={"stride": 8, "pooled_height": 12, "pooled_width": 8})
"""RoIs of features before the stem's end; with a backbone that is not normalised by the batch."""
EARLIER = ROI.model_copy(update={"stride": 4, "pooled_height": 24, "pooled_width": 16})
"""The same, one stage earlier."""
BOXES = np.array([[12.0, 20.0, 36.0, 80.0], [52.0, 16.0, 78.0, 84.0], [94.0, 24.0, 118.0, 82.0]])


class TinyDataSet:
    """Splits `train` and `test`; each scene has two labelled people and an unlabelled one, one has nobody."""

    name = "tiny"

    def splits(self) -> Mapping[str, Split]:
        test = tuple(self._scene("test", index) for index in range(TEST_SCENES))
        names = tuple(f"p{index}" for index in range(IDENTITIES))
        train = tuple(self._scene("train", index) for index in range(TRAIN_SCENES))
        queries = (
            Query(0, test[0].boxes[0], 0),
            Query(1, test[1].boxes[1], 2),
            Query(0, test[0].boxes[1], 1),
        )
        return {
            "train": Split("train", train, names),
            "test": Split("test", test, names, queries, {"full": self._galleries(test, queries)}, "full"),
        }

    def image_bytes(self, split: str, index: int) -> bytes:
        scene = self._scene(split, index)
        noise = np.random.default_rng([index, split == "test"])
        pixels = noise.integers(90, 160, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        for box, person in zip(scene.boxes.astype(int), scene.person_ids, strict=True):
            pixels[box[1] : box[3], box[0] : box[2]] = COLOURS[person]
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, format="JPEG", quality=95)
        return encoded.getvalue()

    def _scene(self, split: str, index: int) -> Scene:
        if index == EMPTY_SCENE:
            return Scene(f"{split}{index}.jpg", np.zeros((0, 4)), np.zeros(0, dtype=np.int64), 0)
        moved = BOXES + np.array([index % 3, index % 4, index % 3, index % 4]) * 2.0
        people = np.array([index % IDENTITIES, (index + 1) % IDENTITIES, UNLABELLED])
        return Scene(f"{split}{index}.jpg", moved, people, index % 2)

    @staticmethod
    def _galleries(scenes: tuple[Scene, ...], queries: tuple[Query, ...]) -> Galleries:
        listed = [
            [i for i, scene in enumerate(scenes) if i != query.scene and query.person_id in scene.person_ids]
            for query in queries
        ]
        counts = np.array([len(positives) for positives in listed])
        boxes = [
            scenes[i].boxes[scenes[i].person_ids == query.person_id]
            for query, positives in zip(queries, listed, strict=True)
            for i in positives
        ]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Galleries(
            rest="all",
            listed_offsets=offsets,
            listed_scenes=np.concatenate(listed).astype(np.int32),
            positive_offsets=offsets,
            positives=np.concatenate([np.arange(count) for count in counts]),
            positive_boxes=np.concatenate(boxes),
        )


class UnlabelledDataSet(TinyDataSet):
    """The tiny training scenes alone, in which nobody is labelled, as those of `annotate`."""

    def splits(self) -> Mapping[str, Split]:
        """Return the one split."""
        train = super().splits()["train"]
        nobody = [
            replace(scene, person_ids=np.full_like(scene.person_ids, UNLABELLED)) for scene in train.scenes
        ]
        return {"train": replace(train, scenes=tuple(nobody), identities=())}


def silent(*values: object) -> None:
    """Report no progress."""


def backbone(normalisation: str = "batch") -> BackboneOptions:
    return BackboneOptions(name="tiny", width=0.5, normalisation=normalisation)


def detector_options(**changes) -> DetectorOptions:
    return DetectorOptions(**_detector(), **changes)


def search_options(**changes) -> PersonSearchOptions:
    return PersonSearchOptions(**(_detector() | {"embedding_dim": 16} | changes))


def reid_options() -> ReidOptions:
    return ReidOptions(backbone=backbone(), embedding_dim=16, crop_height=32, crop_width=16)


def training_options(**changes) -> TrainingOptions:
    settings = {
        "steps": 3,
        "batch_size": 2,
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "weight_decay": 0.01,
        "schedule": "one_cycle",
        "warmup_steps": 2,
        "clip_norm": 10.0,
    }
    settings |= changes
    if "warmup_steps" not in changes:
        settings["warmup_steps"] = min(settings["warmup_steps"], settings["steps"])
    return TrainingOptions(**settings)


def _detector() -> dict:
    return {
        "backbone": backbone(),
        "short_side": 96,
        "long_side": 128,
        "rpn": RegionProposalOptions(
            anchor_sizes=[24, 40],
            aspect_ratios=[2.2],
            sampled_anchors=32,
            pre_nms_train=60,
            post_nms_train=30,
            pre_nms_test=60,
            post_nms_test=20,
        ),
        "roi": ROI,
    }
