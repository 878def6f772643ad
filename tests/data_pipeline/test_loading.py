"""From shards to batches: pixels, boxes, transforms, and the same whatever the workers."""

import resource

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import v2

from pipeline.basics.errors import UserError
from pipeline.batches.ground_truth import PERSON, QUERY, ground_truth
from pipeline.batches.loading import (
    Share,
    TrainingCrops,
    TrainingScenes,
    crop_batches,
    pair_batches,
    scene_batches,
)
from pipeline.batches.pictures import decode, training_floats
from pipeline.batches.samplers import IdentityBatches, ShuffledBatches
from pipeline.batches.transforms import (
    AugmentationOptions,
    crop_transform,
    plain_crop_transform,
    scene_transform,
)
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.inference.plain_pictures import plain_crops, plain_scenes
from pipeline.scenes.scene import UNLABELLED, Scene
from pipeline.scenes.shards import ImageShards
from tests.tiny import BOXES, COLOURS, EMPTY_SCENE, HEIGHT, TRAIN_SCENES, WIDTH, silent

NOTHING = AugmentationOptions(flip=0.0)
FLIPPED = AugmentationOptions(flip=1.0)
EVERYTHING = AugmentationOptions(
    flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, shift=0.1, erasing=0.5
)
TOLERANCE = 0.06
"""How far a colour may be off after JPEG."""


@pytest.fixture(scope="module")
def crops(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops") / "crops"
    return prepare(LabelledCrops(prepared, "train"), folder, silent)


def scenes_of(prepared, options):
    return TrainingScenes(prepared.split("train"), prepared.images("train"), scene_transform(options))


def crops_of(crops, options=EVERYTHING):
    transform = crop_transform(options, 32, 16)
    return TrainingCrops(crops.split("train"), crops.images("train"), transform)


def colour_inside(image, box):
    """Mean colour `[3]` of the middle of a box, in 0..1."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return training_floats(image[:, y1 + 4 : y2 - 4, x1 + 4 : x2 - 4]).mean(dim=(1, 2))


def assert_batches_equal(one, other):
    for a, b in zip(one, other, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.images, b.images, strict=True))
        for x, y in zip(a.targets, b.targets, strict=True):
            assert x.keys() == y.keys()
            assert all(torch.equal(x[key], y[key]) for key in x)


@pytest.mark.parametrize("options", [NOTHING, FLIPPED])
def test_boxes_hold_their_people(options, prepared):
    scenes = scenes_of(prepared, options)
    for index in range(TRAIN_SCENES):
        image, target = scenes[index, 0]
        for box, person in zip(target["boxes"], target["person_ids"].tolist(), strict=True):
            colour = torch.tensor(COLOURS[person]) / 255
            assert (colour_inside(image, box) - colour).abs().max() < TOLERANCE


def test_flipping_mirrors_boxes_and_pixels(prepared):
    plain, target = scenes_of(prepared, NOTHING)[1, 0]
    flipped, mirrored = scenes_of(prepared, FLIPPED)[1, 0]
    assert torch.equal(flipped, plain.flip(-1))
    x1, y1, x2, y2 = target["boxes"].T
    assert torch.equal(mirrored["boxes"], torch.stack([WIDTH - x2, y1, WIDTH - x1, y2], dim=1))
    assert torch.equal(mirrored["person_ids"], target["person_ids"])


@pytest.mark.parametrize("index", [0, EMPTY_SCENE])
def test_types_and_ranges(index, prepared):
    image, target = scenes_of(prepared, EVERYTHING)[index, 5]
    count = 0 if index == EMPTY_SCENE else 3
    assert type(image) is torch.Tensor
    assert (image.shape, image.dtype) == ((3, HEIGHT, WIDTH), torch.uint8)
    floats = training_floats(image)
    assert floats.dtype == torch.float32
    assert 0 <= floats.min() <= floats.max() <= 1
    assert type(target["boxes"]) is torch.Tensor
    assert (target["boxes"].shape, target["boxes"].dtype) == ((count, 4), torch.float32)
    assert target["labels"].tolist() == [PERSON] * count
    assert (target["person_ids"].shape, target["person_ids"].dtype) == ((count,), torch.int64)


def test_random_changes_depend_on_their_seed_alone(prepared):
    scenes = scenes_of(prepared, EVERYTHING)
    before = torch.get_rng_state()
    one = scenes[0, 7][0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(scenes[0, 7][0], one)
    assert not torch.equal(scenes[0, 8][0], one)


def test_boxes_are_clipped_to_the_picture():
    scene = Scene("a.jpg", np.array([[-5.0, -2.0, 20.0, 200.0]]), np.array([UNLABELLED]))
    assert ground_truth(scene, (HEIGHT, WIDTH))["boxes"].tolist() == [[0.0, 0.0, 20.0, float(HEIGHT)]]


def test_the_splits_own_boxes_are_left_alone(prepared):
    scenes = scenes_of(prepared, FLIPPED)
    for _ in range(2):
        scenes[0, 0]
    np.testing.assert_array_equal(scenes.scenes[0].boxes, BOXES)


@pytest.mark.parametrize("workers", [0, 1])
def test_scene_batches_do_not_depend_on_the_workers(workers, prepared):
    scenes, batches = scenes_of(prepared, EVERYTHING), ShuffledBatches(TRAIN_SCENES, 4, 4, 0)
    expected = [[scenes[draw] for draw in batch] for batch in batches]
    loaded = list(scene_batches(scenes_of(prepared, EVERYTHING), 4, 4, 0, Share(), 0, workers))
    pictures = [[training_floats(picture) for picture, _ in batch] for batch in expected]
    targets = [[target for _, target in batch] for batch in expected]
    assert_batches_equal(loaded, [type(loaded[0])(*both) for both in zip(pictures, targets, strict=True)])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_pairs_hold_queries_then_gallery_scenes(workers, prepared):
    scenes = scenes_of(prepared, EVERYTHING)
    alone = list(pair_batches(scenes, 3, 4, 0, Share(), 0, 0))
    assert_batches_equal(alone, pair_batches(scenes, 3, 4, 0, Share(), 0, workers))
    for batch in alone:
        assert len(batch.images) == len(batch.targets) == 6
        for query, gallery in zip(batch.targets[:3], batch.targets[3:], strict=True):
            person = int(query["person_ids"][query[QUERY]])
            assert person != UNLABELLED
            assert person in gallery["person_ids"].tolist()
            assert QUERY not in gallery
    shares = [list(pair_batches(scenes, 3, 4, 0, Share(rank, 2), 0, 0)) for rank in range(2)]
    for whole, first, second in zip(alone, *shares, strict=True):
        halves = [
            (own.images[: len(own.images) // 2], own.images[len(own.images) // 2 :])
            for own in (first, second)
        ]
        joined = [image for side in zip(*halves, strict=True) for part in side for image in part]
        assert all(torch.equal(one, other) for one, other in zip(whole.images, joined, strict=True))


def as_torchvision_alone(options, picture, seed, size=None):
    """Change a picture at random by torchvision's transforms alone, which erase in floats."""
    steps = [
        v2.ColorJitter(options.brightness, options.contrast, options.saturation, options.hue),
        v2.RandomHorizontalFlip(options.flip),
        v2.ToDtype(torch.float32, scale=True),
    ]
    if size is not None:
        shift = [round(options.shift * size[1]), round(options.shift * size[0])]
        moved = [v2.Pad(shift, padding_mode="edge"), v2.RandomCrop(size)]
        steps = [v2.Resize(size), *steps[:2], *moved, steps[2], v2.RandomErasing(options.erasing, value=0.5)]
    torch.manual_seed(seed)
    return v2.Compose(steps)(picture)


def assert_same_in_memory(one, other):
    assert torch.equal(one, other)
    assert one.stride() == other.stride()


def test_scenes_are_those_of_torchvision_alone(prepared):
    images, draws = prepared.images("train"), ShuffledBatches(TRAIN_SCENES, 4, 4, 0)
    loaded = scene_batches(scenes_of(prepared, EVERYTHING), 4, 4, 0, Share(), 0, 0)
    for batch, drawn in zip(loaded, draws, strict=True):
        for image, (index, seed) in zip(batch.images, drawn, strict=True):
            assert_same_in_memory(image, as_torchvision_alone(EVERYTHING, decode(images[index]), seed))


def test_crops_are_those_of_torchvision_alone(crops):
    images, dataset = crops.images("train"), crops_of(crops)
    sampler = IdentityBatches(dataset.person_ids, 3, 2, 6, 0)
    for batch, drawn in zip(crop_batches(dataset, sampler, 0), sampler, strict=True):
        expected = [
            as_torchvision_alone(EVERYTHING, decode(images[index]), seed, (32, 16)) for index, seed in drawn
        ]
        assert_same_in_memory(batch.crops, torch.stack(expected))


def test_test_pictures_do_not_depend_on_the_workers(crops, prepared, monkeypatch):
    scenes, cut = prepared.images("test"), crops.images("train")
    batches = [range(3), range(3, 5)]
    resize = v2.Compose([v2.Resize((32, 16)), v2.ToDtype(torch.float32, scale=True)])
    for workers in ("0", "2"):
        monkeypatch.setenv("PERSON_SEARCH_WORKERS", workers)
        loaded = plain_scenes(scenes, batches, torch.device("cpu"))
        resized = plain_crops(cut, batches, 32, 16, torch.device("cpu"))
        for batch, pictures, small in zip(batches, loaded, resized, strict=True):
            for index, picture in zip(batch, pictures, strict=True):
                assert_same_in_memory(picture, decode(scenes[index]).float() / 255)
            assert_same_in_memory(small, torch.stack([resize(decode(cut[index])) for index in batch]))


def test_crop_batches_do_not_depend_on_the_workers(crops):
    dataset = crops_of(crops)
    batches = IdentityBatches(dataset.person_ids, 3, 2, 3, 0)
    alone, with_worker = (list(crop_batches(crops_of(crops), batches, workers)) for workers in (0, 1))
    for a, b in zip(alone, with_worker, strict=True):
        assert torch.equal(a.crops, b.crops)
        assert torch.equal(a.person_ids, b.person_ids)
        assert a.crops.shape == (6, 3, 32, 16)
        assert 0 <= a.crops.min() <= a.crops.max() <= 1


@pytest.mark.parametrize("workers", [0, 1])
def test_damage_is_one_line_whatever_the_workers(workers, prepared, tmp_path):
    (tmp_path / "images.h5").write_bytes(b"no HDF5")
    images = ImageShards([tmp_path / "images.h5"])
    scenes = TrainingScenes(prepared.split("train"), images, scene_transform(NOTHING))
    with pytest.raises(UserError) as error:
        list(scene_batches(scenes, 2, 1, 0, Share(), 0, workers))
    assert str(error.value).startswith(f"{tmp_path / 'images.h5'} is damaged (")
    assert "\n" not in str(error.value)


def test_crops_are_the_labelled_people_in_order(crops, prepared):
    split, scenes = crops.split("train"), prepared.split("train").scenes
    expected = [
        (f"{scene.name}#{i}", person, scene.camera)
        for scene in scenes
        for i, person in enumerate(scene.person_ids)
        if person != UNLABELLED
    ]
    assert [(c.name, c.person_ids[0], c.camera) for c in split.scenes] == expected
    assert split.identities == prepared.split("train").identities


def test_crops_have_the_boxs_pixels(crops, prepared):
    images, pictures = crops.images("train"), prepared.images("train")
    scenes, cut = prepared.split("train").scenes, crops.split("train").scenes
    people = [(s, i) for s, scene in enumerate(scenes) for i in range(len(scene.boxes[:2]))]
    for index, (scene, position) in enumerate(people):
        crop = decode(images[index]).float() / 255
        box = scenes[scene].boxes[position].astype(int)
        region = decode(pictures[scene])[:, box[1] : box[3], box[0] : box[2]].float() / 255
        assert crop.shape == region.shape
        assert (crop - region).abs().mean() < 0.02
        assert cut[index].boxes.tolist() == [[0, 0, region.shape[2], region.shape[1]]]


def test_a_plain_crop_is_only_resized(crops):
    crop = decode(crops.images("train")[0])
    plain = plain_crop_transform(32, 16)(crop)
    same = crop_transform(NOTHING, 32, 16)(crop)
    assert same.erased is None
    assert plain.dtype == torch.uint8
    assert torch.equal(plain, same.picture)
    expected = functional.interpolate(crop[None].float() / 255, (32, 16), mode="bilinear", antialias=True)[0]
    assert (training_floats(plain) - expected).abs().max() < 0.01


def test_erased_pixels_are_grey(crops):
    options = AugmentationOptions(flip=0.0, erasing=1.0)
    dataset = crops_of(crops, options)
    (batch,) = crop_batches(dataset, IdentityBatches(dataset.person_ids, 3, 2, 1, 0), 0)
    plain = crops_of(crops, NOTHING)
    (same,) = crop_batches(plain, IdentityBatches(plain.person_ids, 3, 2, 1, 0), 0)
    changed = (batch.crops != same.crops).any(dim=1, keepdim=True).expand_as(batch.crops)
    assert changed.flatten(1).any(dim=1).all()
    assert (batch.crops[changed] == 0.5).all()


def test_a_temporary_folder_that_is_too_long_for_a_socket(prepared, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/" + 90 * "x")
    with pytest.raises(UserError, match=r"set TMPDIR to a shorter one, or PERSON_SEARCH_WORKERS=0"):
        list(scene_batches(scenes_of(prepared, NOTHING), 2, 1, 0, Share(), 0, 1))
    assert len(list(scene_batches(scenes_of(prepared, NOTHING), 2, 1, 0, Share(), 0, 0))) == 1


def test_processes_may_open_as_many_files_as_the_system_allows(prepared):
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, most), most))
        list(scene_batches(scenes_of(prepared, NOTHING), 2, 1, 0, Share(), 0, 1))
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
