"""Scenes and crops shared by two processes: the first has what one process finds, to the bit."""

import os
import time
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.loading import Share
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.inference import sharing
from pipeline.inference.crops import crop_embeddings, embed_crops
from pipeline.inference.options import InferenceOptions
from pipeline.inference.sharing import Gathering, done_by_all, own_batches
from pipeline.inference.students import assemble, search_detections, search_scenes
from pipeline.inference.two_step import two_step_detections, two_step_scenes
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.reid import ReidModel
from tests.tiny import TEST_SCENES, detector_options, reid_options, search_options, silent
from tests.two_processes import RANKS, in_each_process

CPU = torch.device("cpu")
AT_ONCE = 60
"""Seconds in which a process must notice that another one is gone; PyTorch would wait for half an hour."""


@pytest.fixture(scope="module")
def crops(prepared, tmp_path_factory):
    return prepare(LabelledCrops(prepared, "train"), tmp_path_factory.mktemp("sharing") / "crops", silent)


@given(st.integers(0, 50), st.integers(1, 9), st.integers(1, 5))
def test_each_batch_is_one_devices(samples, batch_size, ranks):
    shares = [own_batches(samples, batch_size, Share(rank, ranks)) for rank in range(ranks)]
    alone = own_batches(samples, batch_size, sharing.ALL)
    assert sorted((batch for own in shares for batch in own), key=lambda batch: batch[0]) == alone
    assert [index for batch in alone for index in batch] == list(range(samples))
    assert all(len(batch) == batch_size for batch in alone[:-1])
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 5))
def test_progress_of_the_first_is_that_of_all(samples, batch_size, ranks):
    share = Share(0, ranks)
    done = [done_by_all(batch, samples, share) for batch in own_batches(samples, batch_size, share)]
    assert done == sorted(set(done))
    assert done[-1] == samples
    if ranks == 1:
        assert done == [batch[-1] + 1 for batch in own_batches(samples, batch_size, share)]


def test_one_process_has_everything():
    gathering = Gathering()
    assert gathering.share == Share(0, 1)
    assert gathering.on_first({0: "a", 1: "b", 2: "c"}) == ["a", "b", "c"]


def arrays(detections):
    values = {field.name: getattr(detections, field.name) for field in fields(detections)}
    return {name: value for name, value in values.items() if value is not None}


def networks():
    torch.manual_seed(0)
    return (
        PersonSearchNetwork(search_options()).eval(),
        Detector(detector_options()).eval(),
        ReidModel(reid_options()).eval(),
    )


def found_in_each_process(prepared, crops, _rank):
    """Return what the first process gathers of each kind of inference, None on the others."""
    network, detector, model = networks()
    split, images, cut = prepared.split("test"), prepared.images("test"), crops.split("train")
    own = [
        lambda share: search_scenes(
            network, split, images, batch_size=2, device=CPU, progress=silent, share=share
        ),
        lambda share: two_step_scenes(
            detector, model, split, images, device=CPU, progress=silent, share=share
        ),
        lambda share: dict(crop_embeddings(model, cut, crops.images("train"), 7, CPU, silent, share)),
    ]
    gathered = []
    for part in own:
        gathering = Gathering()
        results = part(gathering.share)
        assert len(results) > 0
        gathered.append((len(results), gathering.on_first(results)))
    return gathered


def test_two_processes_find_what_one_does(prepared, crops, tmp_path):
    first, second = in_each_process(lambda rank: found_in_each_process(prepared, crops, rank), tmp_path)
    network, detector, model = networks()
    split, images, cut = prepared.split("test"), prepared.images("test"), crops.split("train")
    run = InferenceOptions(batch_size=2, context_threshold=0.5)
    alone = [
        search_detections(network, split, images, run, device=CPU, progress=silent),
        two_step_detections(
            detector, model, split, images, context_threshold=0.5, device=CPU, progress=silent
        ),
    ]
    for (own, found), (others, nothing), expected in zip(first[:2], second[:2], alone, strict=True):
        assert nothing is None
        assert own + others == TEST_SCENES
        values, wanted = arrays(assemble(split, found, 0.5)), arrays(expected)
        assert values.keys() == wanted.keys()
        for name, value in wanted.items():
            assert value.dtype == values[name].dtype
            np.testing.assert_array_equal(values[name], value)
    embeddings, _people = embed_crops(model, cut, crops.images("train"), 7, CPU, silent)
    assert second[2][1] is None
    np.testing.assert_array_equal(np.concatenate(first[2][1]), embeddings)


def left_alone(gone, rank):
    """Return what the process that is left hears, and after how many seconds, when `gone` ends."""
    gathering = Gathering()
    if rank == gone:
        os._exit(0)
    time.sleep(0.5)
    start = time.monotonic()
    try:
        gathering.on_first({rank: torch.zeros(10**6)})
    except RuntimeError as error:
        return str(error), time.monotonic() - start
    return "", 0.0


@pytest.mark.parametrize("gone", range(RANKS))
def test_one_that_is_gone_is_not_waited_for(gone, tmp_path):
    message, seconds = in_each_process(lambda rank: left_alone(gone, rank), tmp_path)[1 - gone]
    assert "gloo" in message  # which `stages/support/errors.py` makes one line of
    assert seconds < AT_ONCE
