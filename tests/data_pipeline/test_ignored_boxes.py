"""Ignored boxes on their way from a data set to a batch."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from pipeline.batches.ground_truth import IGNORED
from pipeline.batches.loading import Share, TrainingScenes, pair_batches, scene_batches
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.datasets.checks import scene_problems
from pipeline.datasets.packing import prepare
from pipeline.scenes.scene import Scene
from pipeline.scenes.shards import write_annotations
from tests.data_pipeline.test_shards import same
from tests.tiny import WIDTH, TinyDataSet, silent

CROWD = np.array([[4.0, 2.0, 60.0, 50.0], [90.0, -3.0, 140.0, 40.0]])
CLIPPED = torch.tensor([[4.0, 2.0, 60.0, 50.0], [90.0, 0.0, WIDTH, 40.0]])
WITH_CROWD = (1, 4)
"""Scenes with ignored boxes; nobody is in the last."""


class Crowded(TinyDataSet):
    def splits(self):
        splits = super().splits()
        scenes = list(splits["train"].scenes)
        for index in WITH_CROWD:
            scenes[index] = replace(scenes[index], ignored=CROWD)
        return splits | {"train": replace(splits["train"], scenes=tuple(scenes))}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    return prepare(Crowded(), tmp_path_factory.mktemp("crowded") / "crowded", silent)


def scenes_of(data, flip):
    transform = scene_transform(AugmentationOptions(flip=flip, brightness=0.4))
    return TrainingScenes(data.split("train"), data.images("train"), transform)


def test_they_round_trip_in_a_format_that_older_programs_refuse(crowded, prepared):
    assert same(crowded.split("train"), Crowded().splits()["train"])
    assert crowded.manifest["format_version"] == 3
    assert crowded.manifest["splits"]["train"]["counts"]["ignored"] == len(WITH_CROWD) * len(CROWD)
    assert "ignored" not in crowded.manifest["splits"]["test"]["counts"]
    assert (crowded.root / "test.h5").read_bytes() == (prepared.root / "test.h5").read_bytes()


def test_a_file_without_them_is_as_it_was(tmp_path):
    write_annotations(tmp_path / "train.h5", TinyDataSet().splits()["train"])
    with h5py.File(tmp_path / "train.h5") as file:
        assert not [name for name in file if "ignored" in name]


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_they_change_with_the_picture_and_nothing_else_does(flip, crowded, prepared):
    for index in range(6):
        image, target = scenes_of(crowded, flip)[index, 3]
        plain_image, plain_target = scenes_of(prepared, flip)[index, 3]
        ignored = target.pop(IGNORED, None)
        assert torch.equal(image, plain_image)
        assert target.keys() == plain_target.keys()
        assert all(torch.equal(target[name], plain_target[name]) for name in target)
        if index not in WITH_CROWD:
            assert ignored is None
            continue
        x1, y1, x2, y2 = CLIPPED.T
        mirrored = torch.stack([WIDTH - x2, y1, WIDTH - x1, y2], dim=1)
        assert type(ignored) is torch.Tensor
        assert torch.equal(ignored, mirrored if flip else CLIPPED)


@pytest.mark.parametrize("batches", [scene_batches, pair_batches])
def test_batches_do_not_depend_on_the_workers(batches, crowded):
    scenes = scenes_of(crowded, 0.5)
    alone, loaded = (list(batches(scenes, 4, 4, 0, Share(), 0, workers)) for workers in (0, 2))
    for one, other in zip(alone, loaded, strict=True):
        for own, same_one in zip(one.targets, other.targets, strict=True):
            assert own.keys() == same_one.keys()
            assert all(torch.equal(own[name], same_one[name]) for name in own)
    assert any(IGNORED in target for batch in alone for target in batch.targets)


def test_what_is_wrong_with_one_is_said():
    boxes = np.array([[5.0, 5, 5, 9], [np.nan, 0, 1, 1], [200, 0, 210, 5], [1, 1, 9, 9]])
    scene = Scene("a.jpg", np.zeros((0, 4)), np.zeros(0, np.int64), ignored=boxes)
    assert scene_problems(scene, 0, (100, 100)) == [
        "a.jpg: ignored box [nan, 0, 1, 1] is not finite",
        "a.jpg: ignored box [5, 5, 5, 9] has no area",
        "a.jpg: ignored box [200, 0, 210, 5] lies outside its image of 100 x 100",
    ]
    flat = replace(scene, ignored=np.zeros(4))
    assert scene_problems(flat, 0) == ["a.jpg: ignored boxes of shape (4,)"]
