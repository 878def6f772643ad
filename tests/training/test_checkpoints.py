"""States kept without pickle, checked when read."""

import random
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.engine.checkpoints import KEPT, Checkpoints
from pipeline.training.engine.tree import flatten, unflatten

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.floats(width=32), max_size=3).map(torch.tensor),
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.lists(below, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), below, max_size=3),
    ),
    max_leaves=8,
)


def same(first, second):
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first.nan_to_num(7), second.nan_to_num(7))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second)) and type(first) is type(second)
    return type(first) is type(second) and first == second


@given(TREES)
def test_a_tree_is_put_together_as_it_was(tree):
    assert same(tree, unflatten(*flatten(tree)))


@pytest.mark.parametrize("tree", [{"a": {1, 2}}, {(1, 2): 3}, {True: 1}, b"bytes"])
def test_what_cannot_be_kept_is_named(tree):
    with pytest.raises(TypeError, match="cannot keep a"):
        flatten(tree)


@given(TREES)
@settings(max_examples=30)
def test_a_state_is_read_as_written(tmp_path_factory, tree):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("kept"), steps=10)
    checkpoints.write(3, {"tree": tree})
    step, state = checkpoints.newest()
    assert step == 3
    assert same(state, {"tree": tree})


def test_due_by_steps_where_asked_for(tmp_path):
    checkpoints = Checkpoints(tmp_path, steps=10)
    assert [step for step in range(1, 31) if checkpoints.due(step)] == [10, 20, 30]


def test_due_by_time(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, seconds=300)
    due = []
    for step in range(1, 12):
        now[0] += 100
        if checkpoints.due(step):
            due.append(step)
            checkpoints.write(step, {})
    assert due == [3, 6, 9]


def test_the_newest_and_the_one_before_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "kept", steps=1)
    assert checkpoints.newest() is None
    for step in (1, 2, 3):
        checkpoints.write(step, {"step": step})
    assert len(list((tmp_path / "kept").iterdir())) == KEPT
    assert checkpoints.newest() == (3, {"step": 3})
    assert checkpoints.newest(2) == (2, {"step": 2})
    assert checkpoints.newest(1) is None
    checkpoints.remove()
    assert not (tmp_path / "kept").exists()
    checkpoints.remove()


def test_a_training_that_went_back_drops_what_is_ahead_of_it(tmp_path):
    """Otherwise a damaged file would take the place of the checkpoint before the newest."""
    checkpoints = Checkpoints(tmp_path, steps=1)
    for step in (4, 8):
        checkpoints.write(step, {"step": step})
    newest = max(tmp_path.iterdir())
    newest.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged"):
        assert checkpoints.newest() == (4, {"step": 4})
    for step in (5, 6):
        checkpoints.write(step, {"step": step})
    assert checkpoints.newest() == (6, {"step": 6})
    assert checkpoints.newest(5) == (5, {"step": 5})


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_any_flipped_bit_falls_back_to_the_checkpoint_before(tmp_path_factory, seed):
    checkpoints = Checkpoints(tmp_path_factory.mktemp("kept"), steps=1)
    for step in (1, 2):
        checkpoints.write(step, {"weights": torch.full((5,), float(step)), "text": "a state"})
    newest = max(checkpoints.folder.iterdir())
    content = bytearray(newest.read_bytes())
    where = random.Random(seed).randrange(8 * len(content))
    content[where // 8] ^= 1 << where % 8
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged; going back"):
        step, state = checkpoints.newest()
    assert step == 1
    assert torch.equal(state["weights"], torch.ones(5))


def test_one_that_cannot_be_read_falls_back_to_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path, steps=1)
    for step in (1, 2):
        checkpoints.write(step, {"step": step})
    newest = max(tmp_path.iterdir())
    newest.unlink()
    newest.symlink_to("/proc/self/mem")  # as a bad disk does, reading it is an input/output error
    with pytest.warns(UserWarning, match="is damaged; going back"):
        assert checkpoints.newest() == (1, {"step": 1})


def test_one_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch):
    """Going back would throw away what the next try may read."""
    checkpoints = Checkpoints(tmp_path, steps=1)
    checkpoints.write(1, {"step": 1})

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(PermissionError):
        checkpoints.newest()


def test_a_cut_file_and_what_is_no_checkpoint_are_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, steps=1)
    checkpoints.write(1, {"a": 1})
    (only,) = tmp_path.iterdir()
    only.write_bytes(only.read_bytes()[:10])
    (tmp_path / "notes.safetensors").write_text("")
    (tmp_path / f".{only.name}.1.tmp").write_text("half")
    with pytest.warns(UserWarning, match="is damaged"):
        assert checkpoints.newest() is None
