"""Whatever bytes a file that a stage wrote holds: it is read as it was written, or refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import OPTIONAL, REQUIRED
from pipeline.evaluation.detections_file import read_detections, write_detections
from pipeline.lookup_table import LookupTable, read_lookup_table, write_lookup_table
from pipeline.models.detector import Detector
from pipeline.models.weight_files import save_weights
from pipeline.scenes.prepared import open_prepared
from pipeline.training.engine.checkpoints import Checkpoints
from tests.fuzzing.bytes_changed import damaged
from tests.reporting.cases import fake_detections
from tests.tiny import detector_options


def everything_in(folder: Path) -> list[object]:
    """Read a prepared data set whole."""
    data = open_prepared(folder)
    found: list[object] = [data.sha256]
    for name in data.manifest["splits"]:
        split, images = data.split(name), data.images(name)
        found += [split, *(images[index] for index in range(len(split.scenes)))]
    return found


def state_of(path: Path) -> list[object]:
    network = Detector.load(path)
    return [network.options, *network.state_dict().items()]


def same(first: object, second: object) -> bool:
    """Compare by content: arrays and tensors inside compare only so."""
    return pickle.dumps(first) == pickle.dumps(second)


@pytest.fixture(scope="module")
def artifacts(prepared, tmp_path_factory):
    """By kind: the file that is damaged, how it is read, and its bytes."""
    folder = tmp_path_factory.mktemp("artifacts")
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    table = LookupTable(rows, np.arange(4), np.ones(4, dtype=np.int64), "tiny", prepared.sha256, "0" * 64)
    write_lookup_table(folder / "table.h5", table)
    detections = fake_detections(prepared.split("test"))
    write_detections(detections, folder / "detections.h5")
    arrays = {name: getattr(detections, name) for name in (*REQUIRED, *OPTIONAL)}
    np.savez_compressed(
        folder / "detections.npz", **{name: array for name, array in arrays.items() if array is not None}
    )
    torch.manual_seed(0)
    options = detector_options()
    weights = Detector(options).state_dict()
    save_weights(folder / "weights.safetensors", "detector", options, weights)
    readers = {
        "table.h5": read_lookup_table,
        "detections.h5": read_detections,
        "detections.npz": read_detections,
        "weights.safetensors": state_of,
    }
    return {name: (folder / name, read, (folder / name).read_bytes()) for name, read in readers.items()}


@pytest.mark.parametrize("name", ["table.h5", "detections.h5", "detections.npz", "weights.safetensors"])
@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_says_the_same(name, artifacts, data):
    path, read, content = artifacts[name]
    path.write_bytes(content)
    whole = read(path)
    path.write_bytes(data.draw(damaged(content)))
    try:
        assert same(read(path), whole)
    except UserError as error:
        assert "\n" not in str(error)


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_data_set_is_refused_or_says_the_same(prepared, tmp_path_factory, data):
    whole = everything_in(prepared.root)
    folder = tmp_path_factory.mktemp("copy")
    for path in prepared.root.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    try:
        assert same(everything_in(folder), whole)
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.filterwarnings("ignore:.*is damaged; going back")
@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_checkpoint_is_passed_over_or_says_the_same(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    checkpoints = Checkpoints(folder, steps=1)
    for step in (1, 2):
        checkpoints.write(step, {"state": {"weights": torch.full((20,), float(step)), "seed": step}})
    newest = max(folder.iterdir())
    newest.write_bytes(data.draw(damaged(newest.read_bytes())))
    found = checkpoints.newest()
    assert found is not None
    assert (found.state["state"]["weights"] == found.step).all()
    assert found.state["state"]["seed"] == found.step
