"""Tables with views: a student sees what the teacher saw, and every box has a row in each view."""

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.batches.ground_truth import BOX_ROWS
from pipeline.batches.loading import Share, TrainingScenes, scene_batches
from pipeline.batches.pictures import decode
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.batches.views import (
    ViewedPictures,
    ViewOptions,
    colour_matrix,
    draw_views,
    drawn_view,
    seen_in,
)
from pipeline.box_table import TableOrigin, read_box_table, writing_box_table
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.views import PLAIN_VIEW
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_student
from tests.tiny import TRAIN_SCENES, silent
from tests.training.test_box_tables import taught_by_boxes
from tests.training.test_trainings import EMBEDDING

OPTIONS = ViewOptions(count=2, brightness=0.3, contrast=0.3, saturation=0.5, hue=0.5)
SEEDS = range(12)
"""Of draws; views of three appear among them."""

changes = st.floats(-1, 1)
turns = st.floats(-0.5, 0.5)


def picture_of(seed, height=9, width=13):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def views():
    return draw_views(OPTIONS, TRAIN_SCENES)


def scenes_of(data, views=None, flip=0.0):
    transform = scene_transform(AugmentationOptions(flip=flip))
    return TrainingScenes(data.split("train"), data.images("train"), transform, True, views)


# Colours.


def test_no_change_is_the_plain_view():
    np.testing.assert_allclose(colour_matrix(0, 0, 0, 0), PLAIN_VIEW, atol=1e-7)


@given(changes, changes, changes, turns, st.integers(0, 255))
def test_grey_stays_grey(brightness, contrast, saturation, hue, level):
    matrix = colour_matrix(brightness, contrast, saturation, hue).astype(float)
    seen = matrix @ [level / 255, level / 255, level / 255, 1]
    wanted = (1 + brightness) * ((1 + contrast) * (level / 255 - 0.5) + 0.5)
    np.testing.assert_allclose(seen, wanted, atol=1e-5)


@given(turns)
def test_a_turn_of_the_hue_and_back_is_no_turn(hue):
    there, back = (colour_matrix(0, 0, 0, turn)[:, :3].astype(float) for turn in (hue, -hue))
    np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-5)
    grey = colour_matrix(0, 0, -1, hue)[:, :3]
    np.testing.assert_allclose(grey, np.tile([0.299, 0.587, 0.114], (3, 1)), atol=1e-5)


@given(changes, changes, changes, turns, st.integers(0, 99))
def test_a_picture_is_seen_pixel_by_pixel(brightness, contrast, saturation, hue, seed):
    picture, matrix = picture_of(seed), colour_matrix(brightness, contrast, saturation, hue)
    wanted = np.einsum("ij,jhw->ihw", matrix[:, :3].astype(float), picture.numpy() / 255.0)
    wanted = 255 * np.clip(wanted + matrix[:, 3].astype(float)[:, None, None], 0, 1)
    seen = seen_in(matrix, picture)
    assert seen.dtype == torch.uint8
    assert seen.shape == picture.shape
    assert np.abs(seen.numpy() - wanted).max() <= 0.5 + 1e-3


def test_the_plain_view_is_the_picture_itself():
    picture = picture_of(0)
    assert seen_in(PLAIN_VIEW, picture) is picture


def test_views_are_drawn_by_their_seed(views):
    assert views.shape == (3, TRAIN_SCENES, 3, 4)
    assert views.dtype == np.float32
    assert (views[0] == PLAIN_VIEW).all()
    assert np.array_equal(draw_views(OPTIONS, TRAIN_SCENES), views)
    other = draw_views(OPTIONS.model_copy(update={"seed": 1}), TRAIN_SCENES)
    assert not np.isclose(other[1:], views[1:]).all(axis=(2, 3)).any()
    flat = views[1:].reshape(-1, 12)
    assert len(np.unique(flat, axis=0)) == len(flat)


def test_views_that_differ_in_nothing_are_an_error():
    with pytest.raises(UserError, match="views differ in nothing"):
        parse_options(ViewOptions, {"count": 2}, "x")
    with pytest.raises(UserError, match="'hue'"):
        parse_options(ViewOptions, {"count": 2, "hue": 0.6}, "x")


# From the scene to its rows.


def test_a_student_sees_what_the_teacher_saw(prepared, views):
    plain, shown = scenes_of(prepared), scenes_of(prepared, views)
    boxes = int(box_offsets(prepared.split("train").scenes)[-1])
    seen = set()
    for index in range(TRAIN_SCENES):
        for seed in SEEDS:
            (before, target), (picture, own) = plain[index, seed], shown[index, seed]
            view = drawn_view(seed, views)
            teacher = ViewedPictures(prepared.images("train"), views[view])
            assert torch.equal(picture, decode(teacher[index]))
            assert torch.equal(picture, before) == (view == 0)
            assert torch.equal(own[BOX_ROWS], target[BOX_ROWS] + view * boxes)
            assert torch.equal(own["boxes"], target["boxes"])
            assert torch.equal(own["person_ids"], target["person_ids"])
            seen.add(view)
    assert seen == {0, 1, 2}


def test_other_random_changes_are_as_without_views(prepared, views):
    plain, shown = scenes_of(prepared, flip=0.5), scenes_of(prepared, views, flip=0.5)
    for seed in SEEDS:
        assert torch.equal(plain[1, seed][1]["boxes"], shown[1, seed][1]["boxes"])


def test_views_do_not_depend_on_the_workers(prepared, views):
    alone, others = (
        [
            (picture, target[BOX_ROWS])
            for batch in scene_batches(scenes_of(prepared, views), 3, 3, 0, Share(), 0, workers)
            for picture, target in zip(batch.images, batch.targets, strict=True)
        ]
        for workers in (0, 1)
    )
    for (one, own), (other, theirs) in zip(alone, others, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(own, theirs)


# The file, and the training.


def rows_of(data, views, seed=0):
    count = (1 if views is None else len(views)) * int(box_offsets(data.split("train").scenes)[-1])
    return np.random.default_rng(seed).normal(size=(count, EMBEDDING)).astype(np.float32)


def write(path, data, views, rows=None):
    origin = TableOrigin("tiny", data.sha256, "c" * 64)
    offsets = box_offsets(data.split("train").scenes)
    with writing_box_table(path, offsets, EMBEDDING, origin, views=views) as writer:
        writer.append(rows_of(data, views) if rows is None else rows)
    return path


def test_a_table_with_views_round_trips(prepared, views, tmp_path):
    path = write(tmp_path / "views.h5", prepared, views)
    table = read_box_table(path)
    rows = rows_of(prepared, views)
    np.testing.assert_allclose(table.features, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-3)
    assert np.array_equal(table.views, views)
    assert write(tmp_path / "again.h5", prepared, views).read_bytes() == path.read_bytes()
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [(0, "features of more than the {} training boxes in 3 views"), (1, "features of {} of the {} training")],
)
def test_too_many_or_too_few_rows_are_one_line(change, says, prepared, views, tmp_path):
    boxes = int(box_offsets(prepared.split("train").scenes)[-1])
    rows = rows_of(prepared, views)
    rows = rows[:-1] if change else np.concatenate([rows, rows[:1]])
    with pytest.raises(UserError, match=says.format(*([len(rows), boxes] if change else [boxes]))):
        write(tmp_path / "views.h5", prepared, views, rows)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda views: views[:, :-1],
        lambda views: views[:0],
        lambda views: views[1:],
        lambda views: views[..., :3],
        lambda views: np.where(np.arange(3)[:, None, None, None] == 1, np.nan, views).astype(np.float32),
    ],
)
def test_views_that_are_none_of_these_scenes_are_one_line(spoil, prepared, views, tmp_path):
    path = write(tmp_path / "views.h5", prepared, views)
    with h5py.File(path, "r+") as file:
        del file["views"]
        file["views"] = spoil(views)
    with pytest.raises(UserError, match=r"are not finite matrices 3 x 4|disagree"):
        read_box_table(path)


def taught(path, target="kl", head="oim", identity=None):
    options = taught_by_boxes(target, head=head, identity=identity, weight=0.5)
    return options.model_copy(update={"table": str(path)})


def trained(data, views, path, target="kl", head="oim", rows=None):
    """Train on a table with views, or without: all weights in a row."""
    options = taught(write(path, data, views, rows), target, head)
    network, history = train_student(data, options, read_teachers(options, data, "x"), silent)
    assert all(np.isfinite(point["box_table"]) for point in history)
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@pytest.mark.parametrize("head", ["oim", "seqnet"])
def test_equal_tables_with_views_give_equal_students(head, prepared, views, tmp_path):
    first, again = (trained(prepared, views, tmp_path / "views.h5", head=head) for _ in range(2))
    assert torch.equal(first, again)


def test_views_that_change_nothing_teach_what_a_table_without_views_does(prepared, views, tmp_path):
    rows = rows_of(prepared, views[:1])
    same = np.tile(PLAIN_VIEW, (3, TRAIN_SCENES, 1, 1))
    alone = trained(prepared, None, tmp_path / "plain.h5", "cosine", rows=rows)
    in_views = trained(prepared, same, tmp_path / "views.h5", "cosine", rows=np.tile(rows, (3, 1)))
    assert torch.equal(in_views, alone)
    seen = trained(prepared, views, tmp_path / "views.h5", "cosine", rows=np.tile(rows, (3, 1)))
    assert not torch.equal(seen, alone)


@pytest.mark.parametrize(
    ("head", "identity", "who"),
    [
        ("oim", "oim", "its identity target would take"),
        ("qeeps", None, "pairs of the head 'qeeps' would take"),
    ],
)
def test_who_needs_names_cannot_learn_from_views(head, identity, who, prepared, views, tmp_path):
    options = taught(write(tmp_path / "views.h5", prepared, views), head=head, identity=identity)
    with pytest.raises(UserError, match=f"x: .*views.h5 has views, .* and {who}"):
        read_teachers(options, prepared, "x")
