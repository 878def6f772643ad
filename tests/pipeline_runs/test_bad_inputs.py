"""What an earlier stage made is missing, damaged or of something else: the stage that reads it refuses it."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from pipeline.datasets.packing import prepare
from pipeline.lookup_table import read_lookup_table, write_lookup_table
from pipeline.models.weight_files import METADATA, digest_of
from pipeline.scenes.prepared import PreparedDataSet
from tests.pipeline_runs.in_process import refused, run_stage
from tests.pipeline_runs.stage_graph import students
from tests.tiny import TinyDataSet, silent

STUDENT = "train_student --student kd_lut"
TABLE = "artifacts/id_lut.h5"
DETECTIONS = "results/students/kd_lut/detections.h5"
BASELINE, BY_DETECTOR, BY_BOTH = (
    "train_student --student baseline",
    "train_student --student kd_detector",
    "train_student --student kd_both",
)
EXPORT = "export_lut --table id_lut"
SEEN_BY_TORCH = ("train_detector", "train_reid", EXPORT, BASELINE, STUDENT, BY_DETECTOR, BY_BOTH)
NETWORK_COMMANDS = (*SEEN_BY_TORCH, "infer --student kd_lut", "evaluate_teachers")

READERS = {
    "crop": "data/prepared/manifest.json",
    "train_detector": "data/prepared/train-images-00000.h5",
    "train_reid": "data/crops/train-images-00000.h5",
    EXPORT: "models/teachers/reid.safetensors",
    BASELINE: "data/prepared/train.h5",
    STUDENT: TABLE,
    BY_DETECTOR: "models/teachers/detector.safetensors",
    BY_BOTH: TABLE,
    "infer --student kd_lut": "models/students/kd_lut.safetensors",
    "evaluate --student kd_lut": DETECTIONS,
    "evaluate_teachers": "models/teachers/detector.safetensors",
}
"""A stage, and something that it reads."""

every_reader = pytest.mark.parametrize(("command", "path"), READERS.items())


def flip_in(path, dataset):
    """Flip one bit within the stored values of an HDF5 array."""
    with h5py.File(path) as file:
        stored = file[dataset]
        chunk = stored.id.get_chunk_info(stored.id.get_num_chunks() // 2)
        place = chunk.byte_offset + chunk.size // 2
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@every_reader
def test_missing(here, command, path):
    (here / path).unlink()
    assert path.removesuffix("/manifest.json") in refused(here, command)


@every_reader
def test_empty(here, command, path):
    (here / path).write_bytes(b"")
    assert path in refused(here, command)


@every_reader
def test_cut_off(here, command, path):
    content = (here / path).read_bytes()
    (here / path).write_bytes(content[: len(content) // 2])
    assert path in refused(here, command)


@every_reader
def test_of_another_kind(here, command, path):
    other = "data/prepared/manifest.json" if path.endswith((".h5", ".safetensors")) else TABLE
    (here / path).write_bytes((here / other).read_bytes())
    assert path in refused(here, command)


@pytest.mark.parametrize(
    ("command", "path", "dataset"),
    [
        (STUDENT, TABLE, "features"),
        (STUDENT, TABLE, "person_ids"),
        (STUDENT, "data/prepared/train.h5", "boxes"),
        (STUDENT, "data/prepared/train-images-00000.h5", "jpeg"),
        ("crop", "data/prepared/train-images-00000.h5", "jpeg"),
        ("train_reid", "data/crops/train-images-00000.h5", "offsets"),
        (EXPORT, "data/crops/train-images-00000.h5", "jpeg"),
        ("infer --student kd_lut", "data/prepared/test-images-00000.h5", "jpeg"),
        ("evaluate --student kd_lut", "data/prepared/test.h5", "boxes"),
        ("evaluate --student kd_lut", DETECTIONS, "gallery_feats"),
        ("evaluate_teachers", "data/prepared/test-images-00000.h5", "jpeg"),
    ],
)
def test_damaged_chunk(here, command, path, dataset):
    flip_in(here / path, dataset)
    assert path in refused(here, command)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dataset": "prw"}, "it is of data set 'prw', the data are 'synthetic'"),
        ({"dataset_sha256": "0" * 64}, "another version of 'synthetic'"),
        ({"rows": 7}, "1 identities have no row (first: 7)"),
        ({"rows": 9}, "1 rows are of no identity (first: 8)"),
        ({"dimensions": 8}, "its rows have 8 dimensions, the student's embedding 16"),
        ({"value": np.nan}, "are not finite"),
        ({"value": 2.0}, "not of unit length"),
    ],
)
def test_table_that_does_not_fit(here, changes, named):
    table = read_lookup_table(here / TABLE)
    number, dimensions = changes.pop("rows", 8), changes.pop("dimensions", 16)
    features = np.eye(number, dimensions, dtype=np.float32)
    if dimensions < number:
        features = np.tile(np.eye(1, dimensions, dtype=np.float32), (number, 1))
    features[3] *= np.float32(changes.pop("value", 1.0))
    ids, counts = np.arange(number), np.ones(number, dtype=np.int64)
    write_lookup_table(
        here / TABLE, replace(table, features=features, person_ids=ids, counts=counts, **changes)
    )
    line = refused(here, STUDENT)
    assert TABLE in line
    assert named in line


def test_table_of_the_data_before(here):
    """The data are made anew, the table is not."""
    prepare(TinyDataSet(), here / "data/prepared", silent)
    assert "it is of data set 'synthetic', the data are 'tiny'" in refused(here, STUDENT)


def test_detections_of_the_data_before(here):
    prepare(TinyDataSet(), here / "data/prepared", silent)
    refused(here, "evaluate --student kd_lut")


def test_detections_without_the_queries_features(here):
    with h5py.File(here / DETECTIONS, "r+") as file:
        del file["query_feats"]
    assert f"{DETECTIONS}: lacks query_feats" in refused(here, "evaluate --student kd_lut")


@pytest.mark.parametrize(
    ("command", "path", "other"),
    [
        (
            "infer --student kd_lut",
            "models/students/kd_lut.safetensors",
            "models/teachers/detector.safetensors",
        ),
        (EXPORT, "models/teachers/reid.safetensors", "models/students/kd_lut.safetensors"),
        ("evaluate_teachers", "models/teachers/detector.safetensors", "models/teachers/reid.safetensors"),
    ],
)
def test_weights_of_another_network(here, command, path, other):
    (here / path).write_bytes((here / other).read_bytes())
    assert "holds a network of kind" in refused(here, command)


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("evaluate_teachers", "models/teachers/detector.safetensors"),
        ("infer --student kd_lut", "models/students/kd_lut.safetensors"),
    ],
)
def test_weights_that_are_not_finite(here, command, path):
    with safe_open(here / path, framework="pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    last = next(name for name in state if name.endswith("bbox_pred.bias"))
    state[last][-1] = torch.nan
    written = json.loads(metadata[METADATA])
    written["sha256"] = digest_of(written["architecture"] + written["origin"], state)
    (here / path).write_bytes(save(state, {METADATA: json.dumps(written)}))
    assert f"{path} holds values that are not finite" in refused(here, command)


def test_data_of_another_format(here):
    path = here / "data/prepared/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 0}))
    assert "run `dvc repro prepare`" in refused(here, "train_detector")


def test_split_that_is_not_the_manifests(here):
    folder = here / "data/prepared"
    (folder / "train.h5").write_bytes((folder / "val.h5").read_bytes())
    assert "is not the file that manifest.json names" in refused(here, BASELINE)


@pytest.mark.parametrize("command", NETWORK_COMMANDS)
@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("DEVICE", "cuda", "PyTorch finds no CUDA device here"),
        ("DEVICE", "gpu", "must be one of auto, cpu, cuda"),
        ("DEVICES", "0", "must be a whole number from 1"),
    ],
)
def test_device_that_is_not_there(here, command, variable, value, named, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv(f"PERSON_SEARCH_{variable}", value)
    line = refused(here, command)
    assert f"PERSON_SEARCH_{variable}={value}" in line
    assert named in line


@pytest.mark.parametrize("command", SEEN_BY_TORCH[:2])
def test_workers_that_are_no_number(here, command, monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "many")
    assert "PERSON_SEARCH_WORKERS=many" in refused(here, command)


def test_damaged_chunk_that_a_data_worker_meets(here, monkeypatch):
    """The disk went bad after the file was compared with the manifest."""
    monkeypatch.setattr(PreparedDataSet, "_file", lambda data, entry: data.root / entry["file"])
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "1")
    flip_in(here / "data/prepared/train-images-00000.h5", "jpeg")
    assert "train-images-00000.h5 is damaged" in refused(here, "train_detector")


@pytest.mark.parametrize("command", ["infer --student nobody", "evaluate --student nobody"])
def test_unknown_row(here, command):
    assert f"params.yaml: no student 'nobody'; it has {', '.join(students())}" in refused(here, command)


def test_a_student_trained_under_another_name_is_run_and_scored(here):
    """It has no entry in params.yaml, but its files."""
    shutil.copy(here / "models/students/kd_lut.safetensors", here / "models/students/again.safetensors")
    for command in ("infer", "evaluate"):
        assert run_stage(f"{command} --student again").exit_code == 0
    assert (here / "results/students/again/metrics.json").is_file()


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ("prepare", "data"),
        ("train_detector", "models/teachers"),
        (EXPORT, "artifacts"),
        (STUDENT, "models/students"),
        ("evaluate_teachers", "results/teachers"),
    ],
)
def test_output_that_cannot_be_written(here, command, folder):
    """Where the folder of the output should be, there is a file."""
    shutil.move(here / folder, here / "elsewhere")
    (here / folder).write_text("no folder")
    assert folder in refused(here, command)
