"""Features that somebody else computed: both kinds of files, the order of rows, what is wrong with them."""

import logging

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.inference.people import all_people, labelled_people
from pipeline.inference.teachers import features
from pipeline.inference.teachers.features import FeaturesTeacher
from pipeline.inference.teachers.leak import TrainedOn
from tests.tiny import EMPTY_SCENE, silent

CPU = torch.device("cpu")
DIM = 5


def content_of(data, **changes):
    scenes = data.split("train").scenes
    counts = np.array([len(scene.boxes) for scene in scenes])
    rows = np.random.default_rng(0).normal(size=(counts.sum(), DIM)).astype(np.float32)
    values = {
        "features": rows,
        "scene_names": np.array([scene.name for scene in scenes]),
        "box_counts": counts,
        "dataset_sha256": data.sha256,
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def write(path, content, attributes=()):
    if path.suffix == ".npz":
        np.savez(path, **content)
        return path
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            text = isinstance(value, np.ndarray) and value.dtype.kind == "U"
            stored = [str(one) for one in value] if text else value
            if name in attributes:
                file.attrs[name] = stored
            else:
                file[name] = stored
    return path


def embedded(teacher, data, people=all_people):
    split = data.split("train")
    found = teacher.embeddings(split, data.images("train"), people(split), CPU, silent)
    return np.concatenate([rows for _, rows in found])


@pytest.mark.parametrize(
    ("name", "attributes"), [("f.npz", ()), ("f.h5", ()), ("f.h5", ("dataset_sha256", "trained_on"))]
)
def test_rows_are_those_of_the_boxes_in_their_order(name, attributes, prepared, tmp_path, monkeypatch):
    content = content_of(prepared, trained_on=np.array(["a", "b"]))
    teacher = FeaturesTeacher(write(tmp_path / name, content, attributes), prepared.sha256)
    assert teacher.trained_on == TrainedOn(("a", "b"))
    ids = np.concatenate([scene.person_ids for scene in prepared.split("train").scenes])
    for at_a_time in (1, 3, 256):
        monkeypatch.setattr(features, "SCENES_AT_A_TIME", at_a_time)
        np.testing.assert_array_equal(embedded(teacher, prepared), content["features"])
        np.testing.assert_array_equal(
            embedded(teacher, prepared, labelled_people), content["features"][ids >= 0]
        )


def test_without_a_fingerprint_a_line_says_how_to_add_it(prepared, tmp_path, caplog):
    path = write(tmp_path / "f.h5", content_of(prepared, dataset_sha256=None))
    with caplog.at_level(logging.WARNING):
        teacher = FeaturesTeacher(path, prepared.sha256)
    (line,) = caplog.messages
    assert f"put `dataset_sha256` into it: {prepared.sha256}" in line
    assert teacher.trained_on == TrainedOn(unsaid=(str(path),))


def renamed(content, place, name):
    names = content["scene_names"].astype(object)
    names[place] = name
    return names.astype(str)


def other_counts(content):
    counts = content["box_counts"].copy()
    counts[EMPTY_SCENE] = 1
    return counts


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: {"dataset_sha256": "0" * 64}, "is of other data: its dataset_sha256 is 000000000000"),
        (
            lambda c: {"scene_names": renamed(c, 2, "x.jpg")},
            "scene 2 is 'x.jpg', in the train split 'train2.jpg'; its rows must be in the order",
        ),
        (
            lambda c: {"box_counts": other_counts(c)},
            "scene 4 ('train4.jpg') has 1 boxes, in the train split 0",
        ),
        (
            lambda c: {"features": c["features"][:-1]},
            "'features' has 26 entries, of the train split it needs 27",
        ),
        (lambda c: {"scene_names": c["scene_names"][:-1]}, "'scene_names' has 9 entries"),
        (lambda c: {"box_counts": c["box_counts"][:-1]}, "'box_counts' has 9 entries"),
        (lambda c: {"features": c["features"][:, 0]}, "'features' must be [N, D] floats, it is [27] float32"),
        (lambda c: {"features": c["features"].astype(int)}, "'features' must be [N, D] floats"),
        (lambda c: {"box_counts": c["box_counts"] * 1.0}, "'box_counts' must be [S] whole numbers"),
        (lambda c: {"scene_names": c["box_counts"]}, "'scene_names' must hold texts"),
        (lambda _: {"features": None}, "has no array 'features'"),
        (
            lambda c: {"features": c["features"] * 0},
            "train0.jpg is zero; such a teacher cannot be learned from (compute this row again)",
        ),
        (
            lambda c: {"features": c["features"] * np.nan},
            "the embedding of box 0 of train0.jpg is not finite",
        ),
    ],
)
@pytest.mark.parametrize("name", ["f.npz", "f.h5"])
def test_what_is_wrong_is_one_line_with_the_place(name, change, says, prepared, tmp_path):
    content = content_of(prepared)
    content = {key: value for key, value in (content | change(content)).items() if value is not None}
    path = write(tmp_path / name, content)
    with pytest.raises(UserError) as error:
        embedded(FeaturesTeacher(path, prepared.sha256), prepared)
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@given(place=st.floats(0, 1), cut=st.booleans(), name=st.sampled_from(["f.npz", "f.h5"]))
def test_a_damaged_file_is_one_line_or_gives_its_rows(place, cut, name, prepared, tmp_path):
    content = content_of(prepared)
    path = write(tmp_path / name, content)
    damaged = bytearray(path.read_bytes())
    at = min(int(place * len(damaged)), len(damaged) - 1)
    if cut:
        del damaged[at:]
    else:
        damaged[at] ^= 0xFF
    path.write_bytes(damaged)
    try:
        embedded(FeaturesTeacher(path, prepared.sha256), prepared)
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "dtype"), [("scene_names", "str"), ("features", "np.float32"), ("trained_on", "str")]
)
def test_an_array_of_objects_is_named_and_how_to_save_it(name, dtype, prepared, tmp_path):
    content = content_of(prepared, trained_on=np.array(["a"]))
    content[name] = content[name].astype(object)
    path = write(tmp_path / "f.npz", content)
    with pytest.raises(UserError, match=rf"'{name}' holds Python objects, .*: \.astype\({dtype}\)$") as error:
        FeaturesTeacher(path, prepared.sha256)
    assert "HDF5" not in str(error.value)


def test_objects_in_an_array_that_nobody_asks_for_do_not_matter(prepared, tmp_path):
    content = content_of(prepared, notes=np.array([None, {}], dtype=object))
    FeaturesTeacher(write(tmp_path / "f.npz", content), prepared.sha256)


def test_a_damaged_npz_is_called_damaged(prepared, tmp_path):
    path = tmp_path / "f.npz"
    np.savez_compressed(path, **content_of(prepared))
    content = bytearray(path.read_bytes())
    content[200:240] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is not a sound file of features \(damaged: ") as error:
        FeaturesTeacher(path, prepared.sha256)
    assert "HDF5" not in str(error.value)


def test_other_files_are_no_features(tmp_path):
    (tmp_path / "f.npy").write_bytes(b"\x93NUMPY rest")
    with pytest.raises(UserError, match="is not a file of features"):
        FeaturesTeacher(tmp_path / "f.npy", "")
    with pytest.raises(UserError, match="no file of features at"):
        FeaturesTeacher(tmp_path / "nothing.h5", "")
