import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation import similarity as similarity_module
from pipeline.evaluation.similarity import one_thread_a_product, similarities


def features(seed, queries, boxes, width=np.float32):
    random = np.random.default_rng(seed)
    return tuple(random.normal(size=(number, 8)).astype(width) for number in (queries, boxes))


@pytest.fixture
def small_blocks(monkeypatch):
    """Cut the work into many blocks of a few tiles."""
    monkeypatch.setattr(similarity_module, "SIMILARITIES_AT_ONCE", 100)
    monkeypatch.setattr(similarity_module, "FEATURE_ROWS_AT_ONCE", 7)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.integers(0, 30),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_each_is_the_dot_product(seed, queries, boxes, width, threads):
    asked, feats = features(seed, queries, boxes, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity_module, "SIMILARITIES_AT_ONCE", 60)
        patch.setattr(similarity_module, "FEATURE_ROWS_AT_ONCE", 7)
        got = [row.copy() for row in similarities(asked, feats, threads)]
    assert len(got) == queries
    for row, query in zip(got, asked, strict=True):
        assert row.dtype == width
        wanted = np.array([np.sum(query.astype(float) * feat.astype(float)) for feat in feats])
        # Rounded once, from a sum in float64.
        assert row == pytest.approx(
            wanted, rel=float(np.finfo(width).eps), abs=1e-7 if width == np.float16 else 1e-12
        )


@pytest.mark.usefixtures("small_blocks")
def test_the_number_of_threads_changes_no_bit():
    asked, feats = features(0, 40, 33)
    with one_thread_a_product():
        one, *others = ([row.tobytes() for row in similarities(asked, feats, n)] for n in (1, 2, 5))
    assert others == [one, one]


@pytest.mark.usefixtures("small_blocks")
def test_equal_features_have_equal_similarities():
    asked, feats = features(1, 3, 1)
    for row in similarities(asked, np.repeat(feats, 33, axis=0), 2):
        assert len(set(row.tolist())) == 1


@pytest.mark.usefixtures("small_blocks")
def test_a_reader_who_stops_leaves_no_thread():
    asked, feats = features(2, 40, 33)
    before = threading.active_count()
    rows = similarities(asked, feats, 3)
    next(rows)
    assert threading.active_count() > before
    rows.close()
    assert threading.active_count() == before


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("threads", [1, 3])
def test_features_of_another_width_are_an_error_in_the_callers_thread(threads):
    asked, feats = features(3, 4, 33)
    with pytest.raises(ValueError, match="mismatch"):
        list(similarities(asked[:, :5], feats, threads))


@pytest.mark.usefixtures("small_blocks")
def test_the_caller_waits_for_slow_helpers(monkeypatch):
    multiply = similarity_module._Block._multiply
    caller = threading.current_thread()

    def slow(block, tile):
        if threading.current_thread() is not caller:
            time.sleep(0.02)
        multiply(block, tile)

    asked, feats = features(4, 9, 33)
    wanted = [row.tobytes() for row in similarities(asked, feats)]
    monkeypatch.setattr(similarity_module._Block, "_multiply", slow)
    assert [row.tobytes() for row in similarities(asked, feats, 2)] == wanted


@pytest.mark.usefixtures("small_blocks")
def test_an_error_in_a_helper_reaches_the_caller(monkeypatch):
    multiply = similarity_module._Block._multiply
    caller = threading.current_thread()

    def failing(block, tile):
        if threading.current_thread() is not caller:
            raise MemoryError("no room")
        time.sleep(0.01)
        multiply(block, tile)

    monkeypatch.setattr(similarity_module._Block, "_multiply", failing)
    with pytest.raises(MemoryError, match="no room"):
        list(similarities(*features(5, 9, 33), 2))
