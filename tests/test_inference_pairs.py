"""Running a query-guided student over pairs: each as if alone, whatever blocks, batches and interruptions."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.batches.loading import Share
from pipeline.inference import pairs as pairs_module
from pipeline.inference.options import InferenceOptions
from pipeline.inference.pairs import FoundPairs, KeptBlocks, joined, search_pairs, wanted_pairs
from pipeline.inference.students import picture, search_detections
from pipeline.models.heads import build_student
from tests.models.test_qeeps import qeeps_options, shaken
from tests.tiny import TEST_SCENES, silent

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return shaken(build_student(qeeps_options()))


@pytest.fixture
def search(network, prepared):
    """`search(...)` returns what is found in all pairs of the tiny data set's default gallery."""
    split, images = prepared.split("test"), prepared.images("test")

    def run(wanted=None, batch_size=4, progress=silent, **options):
        wanted = wanted_pairs(split, None) if wanted is None else wanted
        return search_pairs(
            network, split, images, wanted, batch_size=batch_size, device=CPU, progress=progress, **options
        )

    return run


@pytest.fixture
def small_blocks(monkeypatch):
    """One query scene a block: the tiny data set has two."""
    monkeypatch.setattr(pairs_module, "BLOCK", 1)


def assert_equal(one, other, atol=0.0):
    for item in fields(FoundPairs):
        np.testing.assert_allclose(getattr(one, item.name), getattr(other, item.name), atol=atol, rtol=0)


def of(found):
    return joined(list(found.values()))


def test_each_pair_is_as_it_is_alone(search, network, prepared):
    split, images = prepared.split("test"), prepared.images("test")
    found = of(search())
    wanted = wanted_pairs(split, None)
    assert list(zip(found.queries, found.scenes, strict=True)) == [tuple(own) for own in np.argwhere(wanted)]
    assert found.counts.sum() == len(found.detections) == len(found.similarities) > 0
    starts = np.cumsum(found.counts) - found.counts
    for query, scene, start, count in zip(found.queries, found.scenes, starts, found.counts, strict=True):
        own = split.queries[query]
        both = [network.start(picture(images, index, CPU)) for index in (own.scene, scene)]
        box = torch.from_numpy(own.box[None]).float()
        result = network.search_pairs(both[0], box, both[1:], np.ones((1, 1), bool))[0, 0]
        rows = slice(start, start + count)
        np.testing.assert_allclose(found.detections[rows, :4], result.boxes, atol=1e-3)
        np.testing.assert_allclose(found.detections[rows, 4], result.scores, atol=1e-5)
        np.testing.assert_allclose(found.similarities[rows], result.similarities, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_change_nothing(batch_size, search):
    assert_equal(of(search(batch_size=batch_size)), of(search()), atol=1e-4)


@pytest.mark.parametrize("kept_bytes", [0, 200_000])
def test_memory_for_first_stages_changes_nothing(kept_bytes, search, small_blocks, monkeypatch):
    whole = of(search())
    monkeypatch.setattr(pairs_module, "KEPT_BYTES", kept_bytes)
    assert_equal(of(search()), whole)


def test_first_stages_are_computed_once(search, network, small_blocks, monkeypatch):
    started, start = [], network.start
    monkeypatch.setattr(network, "start", lambda image: started.append(1) or start(image))
    search()
    assert len(started) == TEST_SCENES


def test_blocks_and_shares_change_nothing(search, monkeypatch):
    together = of(search())
    monkeypatch.setattr(pairs_module, "BLOCK", 1)
    whole = of(search())
    assert_equal(whole, together, atol=1e-4)
    first, second = (search(share=Share(rank, 2)) for rank in range(2))
    assert len(first) == len(second) == 1
    assert_equal(joined([*second.values(), *first.values()]), whole)


def test_a_resumed_run_gives_what_an_undisturbed_one_does(
    search, network, small_blocks, tmp_path, monkeypatch
):
    whole = of(search())
    kept = KeptBlocks(tmp_path / "kept")

    class StoppedError(Exception):
        pass

    def stop(done, total):
        assert 0 < done < total
        raise StoppedError

    with pytest.raises(StoppedError):
        search(kept=kept, progress=stop)
    assert len(list(kept.folder.iterdir())) == 1
    searched, run = [], network.search_pairs
    monkeypatch.setattr(network, "search_pairs", lambda *given: searched.append(given[1]) or run(*given))
    assert_equal(of(search(kept=kept)), whole)
    assert {len(boxes) for boxes in searched} == {1}  # the second scene has one query, the first has two
    kept.remove()
    assert not kept.folder.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_block_is_searched_again(damage, search, small_blocks, tmp_path):
    kept = KeptBlocks(tmp_path / "kept")
    whole = of(search(kept=kept))
    for path in kept.folder.iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes({"cut": content[:-40], "flipped": content, "empty": b""}[damage])
    assert_equal(of(search(kept=kept)), whole)


def test_progress_ends_with_all_pairs(search, small_blocks):
    told = []
    search(progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_only_the_wanted_pairs_are_searched(search, prepared):
    wanted = np.zeros((3, TEST_SCENES), bool)
    wanted[0, [1, 3]] = wanted[2, 2] = True
    found = of(search(wanted))
    assert list(zip(found.queries.tolist(), found.scenes.tolist(), strict=True)) == [(0, 1), (0, 3), (2, 2)]
    nothing = of(search(np.zeros_like(wanted)))
    assert len(nothing.queries) == len(nothing.detections) == len(nothing.similarities) == 0


def test_the_default_gallery_is_wanted_or_those_that_are_named(prepared):
    split = prepared.split("test")
    everything = wanted_pairs(split, None)
    for index, query in enumerate(split.queries):
        gallery = split.galleries["full"].of_query(index, query.scene, split.cameras)
        assert set(np.flatnonzero(everything[index])) == set(gallery.scenes.tolist())
    assert np.array_equal(wanted_pairs(split, ["full"]), everything)
    assert not wanted_pairs(split, []).any()
    assert wanted_pairs(replace(split, queries=(), galleries={}), None).shape == (0, TEST_SCENES)
    with pytest.raises(UserError, match=r"infer.galleries: the test split has no gallery '7'; it has full"):
        wanted_pairs(split, ["7"])


@given(st.data())
def test_joining_puts_pairs_in_order(data):
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), unique=True, max_size=9))
    rows = {pair: data.draw(st.integers(0, 3)) for pair in pairs}

    def block(own):
        marks = [10 * query + scene + row / 10 for query, scene in own for row in range(rows[query, scene])]
        return FoundPairs(
            np.array([query for query, _ in own], np.int64),
            np.array([scene for _, scene in own], np.int64),
            np.array([rows[pair] for pair in own], np.int64),
            np.repeat(np.array(marks, np.float32)[:, None], 5, axis=1).reshape(-1, 5),
            np.array(marks, np.float32),
        )

    cut = data.draw(st.integers(0, len(pairs)))
    assert_equal(joined([block(pairs[:cut]), block(pairs[cut:])]), block(sorted(pairs)))


def test_detections_of_a_guided_student_have_its_pairs(network, prepared, search):
    told = []
    found = search_detections(
        network,
        prepared.split("test"),
        prepared.images("test"),
        InferenceOptions(batch_size=4, context_threshold=0.5),
        device=CPU,
        progress=lambda done, total: told.append((done, total)),
    )
    pairs = of(search())
    np.testing.assert_array_equal(found.pair_queries, pairs.queries)
    np.testing.assert_array_equal(found.pair_scenes, pairs.scenes)
    np.testing.assert_array_equal(found.pair_dets, pairs.detections)
    np.testing.assert_array_equal(found.pair_similarities, pairs.similarities)
    assert told == sorted(told)
    assert told[-1] == (TEST_SCENES + len(pairs.queries), TEST_SCENES + len(pairs.queries))
