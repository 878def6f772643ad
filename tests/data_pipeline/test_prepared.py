"""The prepared data set: whole or not at all, the same bytes, and nothing damaged goes unnoticed."""

import json
import random
import shutil

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.datasets.packing import counts, prepare
from pipeline.scenes.prepared import open_prepared
from tests.data_pipeline.test_shards import same
from tests.tiny import IDENTITIES, TEST_SCENES, TRAIN_SCENES, TinyDataSet, silent

FLIPS = 50


def content_of(data):
    """Everything that a prepared data set gives."""
    return {
        name: (
            data.split(name),
            [data.images(name)[i].tobytes() for i in range(len(data.split(name).scenes))],
        )
        for name in ("train", "test")
    }


class Failing(TinyDataSet):
    """Its pictures cannot be read from some scene of the test split on."""

    def image_bytes(self, split, index):
        if split == "test" and index == 2:
            raise UserError("test2.jpg is broken")
        return super().image_bytes(split, index)


def test_content_is_the_data_sets(prepared):
    dataset = TinyDataSet()
    for name, split in dataset.splits().items():
        assert same(prepared.split(name), split)
        images = prepared.images(name)
        assert all(images[i].tobytes() == dataset.image_bytes(name, i) for i in range(len(split.scenes)))


def test_manifest_counts(prepared):
    assert prepared.manifest["splits"]["train"]["counts"] == {
        "scenes": TRAIN_SCENES,
        "boxes": 3 * (TRAIN_SCENES - 1),
        "labelled": 2 * (TRAIN_SCENES - 1),
        "unlabelled": TRAIN_SCENES - 1,
        "identities": IDENTITIES,
        "cameras": 2,
        "queries": 0,
    }
    assert counts(prepared.split("test")) == prepared.manifest["splits"]["test"]["counts"]


def test_twice_is_the_same_bytes(prepared, tmp_path):
    again = prepare(TinyDataSet(), tmp_path / "again", silent)
    assert again.sha256 == prepared.sha256
    names = sorted(path.name for path in prepared.root.iterdir())
    assert names == sorted(path.name for path in again.root.iterdir())
    assert all((prepared.root / name).read_bytes() == (again.root / name).read_bytes() for name in names)


def test_another_picture_is_another_fingerprint(prepared, tmp_path):
    class Other(TinyDataSet):
        def image_bytes(self, split, index):
            return super().image_bytes(split, 1 if index == 0 else index)

    assert prepare(Other(), tmp_path / "other", silent).sha256 != prepared.sha256


def test_progress_ends_at_the_number_of_pictures(tmp_path):
    seen = []
    prepare(TinyDataSet(), tmp_path / "prepared", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (TRAIN_SCENES + TEST_SCENES,) * 2


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"test2.jpg is broken"):
        prepare(Failing(), tmp_path / "prepared", silent)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_what_was_there(tmp_path):
    before = prepare(TinyDataSet(), tmp_path / "prepared", silent)
    with pytest.raises(UserError, match=r"test2.jpg is broken"):
        prepare(Failing(), tmp_path / "prepared", silent)
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    assert open_prepared(tmp_path / "prepared").sha256 == before.sha256


def test_preparing_again_replaces(tmp_path):
    root = tmp_path / "prepared"
    prepare(TinyDataSet(), root, silent)
    (root / "old").write_text("of another run")
    prepare(TinyDataSet(), root, silent)
    assert not (root / "old").exists()


def test_bad_pictures_and_boxes_are_refused(tmp_path):
    class Cut(TinyDataSet):
        def image_bytes(self, split, index):
            return super().image_bytes(split, index)[:400]

    with pytest.raises(UserError, match=r"^train0.jpg.*all listed above") as caught:
        prepare(Cut(), tmp_path / "prepared", silent)
    assert len(caught.value.details) == TRAIN_SCENES + TEST_SCENES


def test_an_unknown_split(prepared):
    assert not prepared.has("val")
    with pytest.raises(UserError, match=r"'tiny' has no split 'val'; it has train, test"):
        prepared.split("val")
    with pytest.raises(UserError, match=r"no split 'val'"):
        prepared.images("val")


def test_no_manifest(tmp_path):
    with pytest.raises(UserError, match=r"no prepared data set in"):
        open_prepared(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"format_version": 1}', "\xff"])
def test_a_broken_manifest(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"manifest.json is damaged"):
        open_prepared(tmp_path)


def test_a_manifest_of_another_version(prepared, tmp_path):
    manifest = dict(prepared.manifest) | {"format_version": 4}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"format 4, this program reads 1 to 3; run `dvc repro prepare`"):
        open_prepared(tmp_path)


@pytest.mark.parametrize(
    ("source", "copied_to", "read"),
    [
        ("train.h5", "test.h5", lambda data: data.split("test")),
        ("test-images-00000.h5", "train-images-00000.h5", lambda data: data.images("train")),
    ],
)
def test_files_of_another_data_set_are_noticed(source, copied_to, read, prepared, tmp_path):
    """A folder into which another one was half copied: each file is sound."""
    copy = tmp_path / "copy"
    shutil.copytree(prepared.root, copy)
    shutil.copy(copy / source, copy / copied_to)
    with pytest.raises(UserError, match=rf"{copied_to} is not the file that manifest.json names"):
        read(open_prepared(copy))


@pytest.mark.parametrize("name", ["manifest.json", "train.h5", "test.h5", "train-images-00000.h5"])
def test_no_flipped_byte_goes_unnoticed(name, prepared, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared.root, copy)
    good, content = content_of(prepared), (prepared.root / name).read_bytes()
    for position in random.Random(name).sample(range(len(content)), FLIPS):
        damaged = bytearray(content)
        damaged[position] ^= random.Random(position).randrange(1, 256)
        (copy / name).write_bytes(damaged)
        try:
            read = content_of(open_prepared(copy))
        except UserError as error:
            assert "\n" not in str(error)
            continue
        assert read.keys() == good.keys()
        assert all(same(read[k][0], good[k][0]) and read[k][1] == good[k][1] for k in good)


class Broken(TinyDataSet):
    """Some of its pictures are broken: `broken` names split and position of each."""

    broken = (("train", 0), ("train", 2))

    def image_bytes(self, split, index):
        whole = super().image_bytes(split, index)
        return whole[:400] if (split, index) in self.broken else whole


def test_all_broken_pictures_are_named(tmp_path):
    with pytest.raises(UserError, match=r"^train0.jpg.*\(and 1 more.*on_broken_image: skip") as caught:
        prepare(Broken(), tmp_path / "prepared", silent)
    assert [detail.split()[0] for detail in caught.value.details] == ["train0.jpg", "train2.jpg"]
    assert list(tmp_path.iterdir()) == []


def test_broken_pictures_are_left_out_where_that_is_asked_for(prepared, tmp_path):
    data = prepare(Broken(), tmp_path / "prepared", silent, skip_broken=True)
    whole, split = prepared.split("train"), data.split("train")
    kept = [index for index in range(len(whole.scenes)) if index not in (0, 2)]
    assert data.manifest["splits"]["train"]["left_out"] == ["train0.jpg", "train2.jpg"]
    assert data.manifest["splits"]["train"]["counts"]["scenes"] == len(kept)
    assert [scene.name for scene in split.scenes] == [whole.scenes[index].name for index in kept]
    pictures, all_pictures = data.images("train"), prepared.images("train")
    for position, index in enumerate(kept):
        assert np.array_equal(pictures[position], all_pictures[index])
        assert people(split, position) == people(whole, index)
    assert same(data.split("test"), prepared.split("test"))
    assert data.sha256 != prepared.sha256


def people(split, index):
    """The data set's own ids of a scene's people, with their boxes."""
    scene = split.scenes[index]
    ids = [split.identities[person] if person >= 0 else None for person in scene.person_ids]
    return list(zip(ids, scene.boxes.tolist(), strict=True))


def test_people_who_are_in_broken_pictures_only_are_left_out_too(tmp_path):
    class AlmostAll(Broken):
        broken = tuple(("train", index) for index in range(1, TRAIN_SCENES))

    data = prepare(AlmostAll(), tmp_path / "prepared", silent, skip_broken=True)
    split = data.split("train")
    ids = split.scenes[0].person_ids
    assert len(split.scenes) == 1
    assert len(split.identities) == len(set(ids[ids >= 0])) < len(TinyDataSet().splits()["train"].identities)


def test_where_all_are_broken_nothing_is_left_to_leave_out(tmp_path):
    class AllBroken(Broken):
        broken = tuple(("train", index) for index in range(TRAIN_SCENES))

    with pytest.raises(UserError, match=rf"split 'train': all {TRAIN_SCENES} pictures are broken"):
        prepare(AllBroken(), tmp_path / "prepared", silent, skip_broken=True)
    assert not list(tmp_path.iterdir())


def test_a_broken_test_picture_always_stops(tmp_path):
    class BrokenTest(Broken):
        broken = (("train", 0), ("test", 1))

    with pytest.raises(UserError, match=r"^test1.jpg") as caught:
        prepare(BrokenTest(), tmp_path / "prepared", silent, skip_broken=True)
    assert "skip" not in str(caught.value)


def test_nothing_broken_is_nothing_skipped(prepared, tmp_path):
    assert (
        prepare(TinyDataSet(), tmp_path / "prepared", silent, skip_broken=True).manifest == prepared.manifest
    )
