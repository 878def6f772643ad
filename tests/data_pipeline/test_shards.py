"""Pictures and annotations in HDF5: what goes in comes out, and damage does not go unnoticed."""

import os
import pickle
import random
from dataclasses import replace
from multiprocessing import get_context

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.scenes import shards
from pipeline.scenes.scene import Galleries, Scene, Split
from pipeline.scenes.shards import (
    ImageShards,
    open_shard,
    read_annotations,
    write_annotations,
    write_images,
)
from tests.tiny import TinyDataSet

FLIPS = 60


def pictures(sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for size in sizes]


def same(one, other):
    """Whether two splits hold the same; dataclasses with arrays do not compare by themselves."""
    return plain(one) == plain(other)


def plain(value):
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return {key: plain(item) for key, item in vars(value).items()} if hasattr(value, "__dict__") else value


@given(sizes=st.lists(st.lists(st.integers(1, 5000), min_size=1, max_size=4), max_size=3))
def test_pictures_round_trip(sizes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    images = [pictures(of_shard) for of_shard in sizes]
    paths = [folder / f"{index}.h5" for index in range(len(sizes))]
    for path, content in zip(paths, images, strict=True):
        write_images(path, content)
    read = ImageShards(paths)
    expected = [image for content in images for image in content]
    assert [read[index].tobytes() for index in range(len(expected))] == expected
    for outside in (-1, len(expected)):
        with pytest.raises(IndexError):
            read[outside]


def test_pictures_longer_than_a_chunk(tmp_path):
    images = pictures([150_000, 3, 70_000])
    write_images(tmp_path / "images.h5", images)
    read = ImageShards([tmp_path / "images.h5"])
    assert [read[index].tobytes() for index in (2, 0, 1)] == [images[2], images[0], images[1]]


def test_open_shards_pass_to_other_processes(tmp_path):
    write_images(tmp_path / "images.h5", pictures([10, 20]))
    read = ImageShards([tmp_path / "images.h5"])
    assert len(read[1]) == 20
    copy = pickle.loads(pickle.dumps(read))
    assert copy[1].tobytes() == read[1].tobytes()


def test_each_process_opens_the_files_once(tmp_path, monkeypatch):
    images = pictures([10, 20])
    write_images(tmp_path / "images.h5", images)
    opened = get_context("fork").SimpleQueue()

    def open_and_tell(path):
        opened.put(os.getpid())
        return open_shard(path)

    monkeypatch.setattr(shards, "open_shard", open_and_tell)
    read = ImageShards([tmp_path / "images.h5"])

    def read_all():
        for _ in range(3):
            assert [read[index].tobytes() for index in range(2)] == images

    read_all()
    child = get_context("fork").Process(target=read_all)
    child.start()
    child.join()
    assert child.exitcode == 0
    read_all()
    processes = []
    while not opened.empty():
        processes.append(opened.get())
    assert processes == [os.getpid(), child.pid]


@pytest.mark.parametrize("name", ["train", "test"])
def test_annotations_round_trip(name, tmp_path):
    split = TinyDataSet().splits()[name]
    write_annotations(tmp_path / "split.h5", split)
    assert same(read_annotations(tmp_path / "split.h5"), split)


def test_a_split_of_nothing(tmp_path):
    write_annotations(tmp_path / "split.h5", Split("val", (), ()))
    assert same(read_annotations(tmp_path / "split.h5"), Split("val", (), ()))


def test_names_beyond_ascii_and_several_galleries(tmp_path):
    galleries = Galleries(
        rest="other_cameras",
        listed_offsets=np.array([0, 0, 2]),
        listed_scenes=np.array([1, 0], dtype=np.int32),
        positive_offsets=np.array([0, 0, 1]),
        positives=np.array([1]),
        positive_boxes=np.array([[0.5, 1.25, 2, 3]]),
    )
    split = replace(
        TinyDataSet().splits()["test"],
        scenes=(Scene("wąż-影.jpg", np.array([[1.0, 2, 3, 4]]), np.array([0])),),
        identities=("", "übrig"),
        galleries={"50": galleries, "100": galleries, "1000": galleries, "full": galleries},
    )
    write_annotations(tmp_path / "split.h5", split)
    read = read_annotations(tmp_path / "split.h5")
    assert same(read, split)
    assert list(read.galleries) == ["50", "100", "1000", "full"]


def test_same_content_is_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_images(tmp_path / f"{name}-images.h5", pictures([100, 200]))
        write_annotations(tmp_path / f"{name}.h5", TinyDataSet().splits()["test"])
    for suffix in (".h5", "-images.h5"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_no_flipped_byte_of_a_picture_shard_goes_unnoticed(tmp_path):
    path, images = tmp_path / "images.h5", pictures([300, 500, 200])
    write_images(path, images)
    content = path.read_bytes()
    noticed = 0
    for position in random.Random(0).sample(range(len(content)), 2 * FLIPS):
        damaged = bytearray(content)
        damaged[position] ^= random.Random(position).randrange(1, 256)
        path.write_bytes(damaged)
        read = ImageShards([path])
        try:
            assert [read[index].tobytes() for index in range(len(images))] == images
        except UserError as error:
            noticed += 1
            assert "images.h5 is damaged" in str(error)
            assert "\n" not in str(error)
    assert noticed > FLIPS / 2


@pytest.mark.parametrize("read", [read_annotations, lambda path: ImageShards([path])[0]])
def test_files_that_cannot_be_read(read, tmp_path):
    path = tmp_path / "split.h5"
    with pytest.raises(UserError, match=r"split.h5 is missing"):
        read(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match=r"split.h5 is damaged"):
        read(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(UserError, match=r"split.h5 is damaged"):
        read(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.98])
def test_truncated_files(part, tmp_path):
    write_images(tmp_path / "images.h5", pictures([3000]))
    write_annotations(tmp_path / "split.h5", TinyDataSet().splits()["test"])
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"images.h5 is damaged"):
        ImageShards([tmp_path / "images.h5"])[0]
    with pytest.raises(UserError, match=r"split.h5 is damaged"):
        read_annotations(tmp_path / "split.h5")
