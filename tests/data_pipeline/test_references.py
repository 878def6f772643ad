"""Prepared data that refer to pictures: they read as copies do, and never another picture."""

import hashlib
import pickle
import random
import shutil
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from commands.verification import Output, check_output, md5_of
from pipeline.basics.errors import UserError
from pipeline.basics.hdf5 import writing_hdf5
from pipeline.batches.loading import Share, TrainingScenes, scene_batches
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.datasets import packing
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.packing import prepare
from pipeline.datasets.processes import in_processes
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.shards import (
    CHUNK_BYTES,
    ImageShards,
    write_images,
    write_references,
)
from tests.data_pipeline.test_shards import pictures, same
from tests.tiny import TEST_SCENES, TRAIN_SCENES, TinyDataSet, silent

FLIPS = 120
SCENES_PER_SHARD = 4
SPLITS = {"train": TRAIN_SCENES, "test": TEST_SCENES}


class TinyOnDisk(DataSetOnDisk):
    """The tiny data set in a folder."""

    name = TinyDataSet.name

    def __init__(self, root):
        super().__init__(root)
        self.images = self.root / "frames" / "all"

    def _read(self, _findings):
        return TinyDataSet().splits()

    def _release(self, _splits):
        return "tiny"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with the tiny data set in `raw`."""
    monkeypatch.chdir(tmp_path)
    folder = TinyOnDisk("raw").images
    folder.mkdir(parents=True)
    for name, split in TinyDataSet().splits().items():
        for index, scene in enumerate(split.scenes):
            (folder / scene.name).write_bytes(TinyDataSet().image_bytes(name, index))
    monkeypatch.setattr(packing, "SCENES_PER_SHARD", SCENES_PER_SHARD)
    return tmp_path


@pytest.fixture
def both(place):
    """The data set prepared with copies, and with references."""
    return (
        prepare(TinyOnDisk("raw"), place / "copies", silent),
        prepare(TinyOnDisk("raw"), place / "references", silent, refer=True),
    )


def read_all(images, count):
    return [images[index].tobytes() for index in range(count)]


def test_each_picture_is_the_same_as_a_copy(both):
    copies, references = both
    for name, count in SPLITS.items():
        assert len(references.manifest["splits"][name]["images"]) == -(-count // SCENES_PER_SHARD)
        assert read_all(references.images(name), count) == read_all(copies.images(name), count)
        assert same(references.split(name), copies.split(name))
        assert references.images(name)[0].dtype == np.uint8
        for outside in (-1, count):
            with pytest.raises(IndexError):
                references.images(name)[outside]


@given(kinds=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=4))
def test_a_split_may_have_shards_of_both_kinds(kinds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    paths, expected = [], []
    for shard, (refers, count) in enumerate(kinds):
        content = [bytes([shard]) + picture for picture in pictures(range(count))]
        paths.append(folder / f"{shard}.h5")
        if refers:
            files = [f"wąż {shard}/影{index}.jpg" for index in range(count)]
            (folder / f"wąż {shard}").mkdir()
            for file, picture in zip(files, content, strict=True):
                (folder / file).write_bytes(picture)
            write_references(
                paths[-1], folder, files, [hashlib.sha256(picture).digest() for picture in content]
            )
        else:
            write_images(paths[-1], content)
        expected += content
    assert read_all(ImageShards(paths), len(expected)) == expected


def test_other_processes_read_them(both):
    copies, references = both
    expected, images = read_all(copies.images("train"), TRAIN_SCENES), references.images("train")
    assert images[0].tobytes() == expected[0]
    assert read_all(pickle.loads(pickle.dumps(images)), TRAIN_SCENES) == expected
    with get_context("fork").Pool(1) as pool:
        assert pool.apply(read_all, (images, TRAIN_SCENES)) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_copies(workers, both, monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", str(workers))
    transform = scene_transform(AugmentationOptions(flip=0.5, brightness=0.2))
    batches = [
        list(
            scene_batches(
                TrainingScenes(data.split("train"), data.images("train"), transform),
                4,
                3,
                0,
                Share(),
                0,
                workers,
            )
        )
        for data in both
    ]
    for copied, referred in zip(*batches, strict=True):
        assert all(map(torch.equal, copied.images, referred.images))
    shown = [
        list(plain_scenes(data.images("test"), [range(3), range(3, 6)], torch.device("cpu"))) for data in both
    ]
    for copied, referred in zip(*shown, strict=True):
        assert all(map(torch.equal, copied, referred))


def test_they_hold_no_pictures(both):
    sizes = [sum(path.stat().st_size for path in data.root.glob("*-images-*.h5")) for data in both]
    raw = sum(path.stat().st_size for path in TinyOnDisk("raw").images.iterdir())
    assert sizes[0] > raw
    assert sizes[1] < raw / 2


def test_twice_is_the_same_bytes_in_whatever_processes(both, place, monkeypatch):
    _, references = both
    monkeypatch.setattr(packing, "in_processes", partial(in_processes, items_per_process=1, at_once=1))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    again = prepare(TinyOnDisk("raw"), place / "again", silent, refer=True)
    assert again.sha256 == references.sha256
    for path in sorted(references.root.iterdir()):
        assert (again.root / path.name).read_bytes() == path.read_bytes()


def test_copies_are_as_they_were_before_there_were_references(both):
    """Their shards are written here as they always were; the manifest has the keys that it always had."""
    copies, references = both
    expected = copies.root.with_name("expected.h5")
    for name, count in SPLITS.items():
        for shard, start in enumerate(range(0, count, SCENES_PER_SHARD)):
            indices = range(start, min(start + SCENES_PER_SHARD, count))
            held = [TinyDataSet().image_bytes(name, index) for index in indices]
            jpeg = np.frombuffer(b"".join(held), dtype=np.uint8)
            with writing_hdf5(expected) as file:
                for key, values in (("offsets", np.cumsum([0, *map(len, held)])), ("jpeg", jpeg)):
                    chunk = (min(len(values), CHUNK_BYTES // values.itemsize),)
                    file.create_dataset(key, data=values, chunks=chunk, fletcher32=True, track_times=False)
            assert (copies.root / f"{name}-images-{shard:05d}.h5").read_bytes() == expected.read_bytes()
    assert copies.manifest["format_version"] == 1
    assert list(copies.manifest) == ["format_version", "dataset", "dataset_sha256", "splits"]
    assert [list(entry) for entry in copies.manifest["splits"].values()] == [
        ["annotations", "images", "counts"]
    ] * 2
    assert references.manifest["format_version"] == 2
    assert references.sha256 != copies.sha256


def test_a_relative_root_holds_for_a_clone_elsewhere(both, place, monkeypatch):
    copies, references = both
    expected = read_all(copies.images("train"), TRAIN_SCENES)
    clone = place / "clone"
    shutil.copytree(references.root, clone / "references")
    shutil.move(place / "raw", clone / "raw")
    monkeypatch.chdir(clone)
    assert read_all(open_prepared(clone / "references").images("train"), TRAIN_SCENES) == expected
    assert prepare(TinyOnDisk("raw"), clone / "again", silent, refer=True).sha256 == references.sha256


def test_a_link_in_the_place_of_a_moved_folder(both, place):
    copies, references = both
    shutil.move(place / "raw", place / "elsewhere")
    (place / "raw").symlink_to(place / "elsewhere")
    assert read_all(references.images("test"), TEST_SCENES) == read_all(copies.images("test"), TEST_SCENES)
    assert prepare(TinyOnDisk("raw"), place / "again", silent, refer=True).sha256 == references.sha256


def test_an_absolute_root(place, monkeypatch):
    data = prepare(TinyOnDisk(place / "raw"), place / "references", silent, refer=True)
    (place / "other").mkdir()
    monkeypatch.chdir(place / "other")
    assert read_all(data.images("test"), 1) == [TinyDataSet().image_bytes("test", 0)]


# What is not as it was.


def change(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def put_folder(path):
    path.unlink()
    path.mkdir()


CHANGED = (
    "has changed since the data were prepared; put the old file back, or, .* `dvc repro --force prepare`"
)
GONE = "is missing, which the prepared data refer to; put it back, or, .* set `dataset.root` to its folder"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change, CHANGED),
        (lambda path: path.write_bytes(b""), CHANGED),
        (lambda path: shutil.copy(path.with_name("train1.jpg"), path), CHANGED),
        (lambda path: path.unlink(), GONE),
        (lambda _: shutil.move("raw", "elsewhere"), GONE),
        (lambda _: (shutil.rmtree("raw"), Path("raw").touch()), GONE),
        (put_folder, "which the prepared data refer to, cannot be read: Is a directory"),
    ],
    ids=["a bit", "empty", "another's", "gone", "moved root", "root a file", "a folder"],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_not_the_picture_is_one_line(damage, said, workers, both):
    _, references = both
    images = references.images("train")
    assert images[1].size
    damage(TinyOnDisk("raw").images / "train0.jpg")
    scenes = TrainingScenes(references.split("train"), images, scene_transform(AugmentationOptions(flip=0.0)))
    for read in (
        lambda: images[0],
        lambda: list(scene_batches(scenes, TRAIN_SCENES, 1, 0, Share(), 0, workers)),
    ):
        with pytest.raises(UserError, match=rf"^raw/frames/all/train\d.jpg,? {said}") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_picture_that_is_as_it_was_again_is_read_again(both):
    _, references = both
    path, images = TinyOnDisk("raw").images / "test2.jpg", references.images("test")
    content = images[2].tobytes()
    change(path)
    with pytest.raises(UserError):
        images[2]
    path.write_bytes(content)
    assert images[2].tobytes() == content


def test_no_flipped_byte_of_a_shard_goes_unnoticed(both, place):
    path = both[1].root / "train-images-00000.h5"
    content = path.read_bytes()
    for position in random.Random(0).sample(range(len(content)), FLIPS):
        damaged = bytearray(content)
        damaged[position] ^= random.Random(position).randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"train-images-00000.h5 is damaged") as caught:
            read_all(ImageShards([path]), SCENES_PER_SHARD)
        assert "\n" not in str(caught.value)


def test_a_shard_of_other_content_is_damaged(tmp_path):
    path = tmp_path / "images.h5"
    with h5py.File(path, "w") as file:
        file["dataset_root"] = [b"raw"]
    with pytest.raises(UserError, match=r"images.h5 is damaged"):
        ImageShards([path])[0]


def test_verifying_reads_the_pictures(both, place):
    copies, references = both
    path = references.root / "train-images-00001.h5"
    output = Output(path, md5_of(path))
    assert [finding.kind for finding in check_output(output, place)] == ["sound"]
    for name in ("train4.jpg", "train6.jpg"):
        change(TinyOnDisk("raw").images / name)
    (finding,) = check_output(output, place)
    assert (finding.path, finding.kind) == (path, "damaged")
    assert "as it was recorded, but raw/frames/all/train4.jpg has changed" in finding.what
    assert finding.what.endswith("(and 1 more pictures)")
    copied = copies.root / "train-images-00001.h5"
    assert [finding.kind for finding in check_output(Output(copied, md5_of(copied)), place)] == ["sound"]


# What `prepare` refuses and leaves out.


def test_broken_pictures_are_refused_and_left_out_as_with_copies(place):
    for name in ("train0.jpg", "train5.jpg"):
        path = TinyOnDisk("raw").images / name
        path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(UserError, match=r"train0.jpg.*\(and 1 more.*on_broken_image: skip"):
        prepare(TinyOnDisk("raw"), place / "references", silent, refer=True)
    assert not (place / "references").exists()
    copies, references = (
        prepare(TinyOnDisk("raw"), place / name, silent, skip_broken=True, refer=name == "references")
        for name in ("copies", "references")
    )
    for data in (copies, references):
        assert data.manifest["splits"]["train"]["left_out"] == ["train0.jpg", "train5.jpg"]
    assert same(copies.split("train"), references.split("train"))
    kept = len(copies.split("train").scenes)
    assert kept == TRAIN_SCENES - 2
    assert read_all(references.images("train"), kept) == read_all(copies.images("train"), kept)


def test_pictures_that_are_no_files(tmp_path):
    with pytest.raises(UserError, match=r"data set 'tiny' has no picture files that could be referred to"):
        prepare(TinyDataSet(), tmp_path / "prepared", silent, refer=True)
    assert list(tmp_path.iterdir()) == []
