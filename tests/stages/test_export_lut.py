"""Tables of every kind and level: the same bytes for the same features, and one line for what is wrong."""

import json
import shutil
from dataclasses import replace
from io import BytesIO

import h5py
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pipeline.batches.views import ViewedPictures
from pipeline.box_table import read_box_table, table_level
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.inference.crops import embed_crops
from pipeline.lookup_table import mean_features, read_lookup_table
from pipeline.models.heads import build_student
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import save_weights
from pipeline.scenes.scene import UNLABELLED
from tests.pipeline_runs.in_process import refused, run_stage
from tests.stages.features_files import features_file
from tests.teachers.models import DIM, describe, unit, weights, write_onnx, write_torchscript
from tests.tiny import IDENTITIES, TinyDataSet, reid_options, search_options, silent

CPU = torch.device("cpu")
KINDS = ("crops", "network", "onnx", "torchscript", "features", "ensemble")
HALF = 1e-3
"""What float16 may change of a number in 0..1."""


@pytest.fixture(scope="module")
def made(prepared, tmp_path_factory):
    """A folder with the data and a teacher of each kind. Not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(prepared.root, folder / "data/prepared")
    prepare(LabelledCrops(prepared, "train"), folder / "data/crops", silent)
    torch.manual_seed(0)
    reid, network = ReidModel(reid_options()), build_student(search_options())
    save_weights(folder / "crops", "reid", reid_options(), reid.state_dict())
    save_weights(folder / "network", "person_search", search_options(), network.state_dict())
    for batch, name in ((3, "onnx"), ("N", "ensemble")):
        write_onnx(folder / name / "model.onnx", batch=batch)
    write_torchscript(folder / "torchscript.pt")
    write_torchscript(folder / "ensemble/other.pt", matrix=weights(1, 7))
    features_file(folder / "features.npz", prepared)
    return folder


TEACHERS = {kind: kind for kind in KINDS} | {"torchscript": "torchscript.pt", "features": "features.npz"}


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def enter(folder, kind, batch=5, **changes):
    entry = {"kind": kind, "teacher": TEACHERS.get(kind, kind), "average": "mean_then_normalise"} | changes
    entry = {key: value for key, value in entry.items() if value is not None}
    values = {"export_lut": {"batch_size": batch, "scene_batch_size": 3}, "tables": {"t": entry}}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def export(folder, kind, **changes):
    """Make a table; return its file."""
    enter(folder, kind, **changes)
    result = run_stage("export_lut --table t")
    assert result.exit_code == 0, result.output
    assert not [*folder.glob("artifacts/*tmp*")]
    return folder / "artifacts/t.h5"


@pytest.mark.parametrize("kind", KINDS)
def test_the_levels_of_a_kind_agree_and_equal_runs_are_equal_bytes(kind, here, prepared):
    ids = np.concatenate([scene.person_ids for scene in prepared.split("train").scenes])
    content = {level: export(here, kind, level=level).read_bytes() for level in ("identity", "box", "both")}
    both = here / "artifacts/t.h5"
    assert export(here, kind, level="box", average=None).read_bytes() == content["box"]
    assert export(here, kind, level="both").read_bytes() == content["both"]
    assert export(here, kind).read_bytes() == content["identity"]
    path = here / "other.h5"
    path.write_bytes(content["identity"])
    assert table_level(path) == "identity"
    identity = read_lookup_table(path)
    both.write_bytes(content["both"])
    np.testing.assert_allclose(read_lookup_table(both).features, identity.features, atol=1e-5)
    np.testing.assert_array_equal(read_lookup_table(both).counts, identity.counts)
    rows = read_box_table(both).features
    path.write_bytes(content["box"])
    np.testing.assert_array_equal(read_box_table(path).features, rows)
    assert len(rows) == len(ids)
    if kind in ("onnx", "torchscript", "network", "ensemble"):  # embeddings are of unit length already
        labelled = ids != UNLABELLED
        means, *_ = mean_features(rows[labelled].astype(np.float32), ids[labelled], "mean_then_normalise")
        np.testing.assert_allclose(means, identity.features, atol=HALF)


def test_a_table_of_our_own_crops_is_what_it_was_before_there_were_levels(here, prepared):
    path = export(here, "crops")
    crops = prepare(LabelledCrops(prepared, "train"), here / "again", silent)
    model = ReidModel.load(here / "crops")
    embeddings, people = embed_crops(model, crops.split("train"), crops.images("train"), 5, CPU, silent)
    features, _, counts = mean_features(embeddings, people, "mean_then_normalise")
    table = read_lookup_table(path)
    np.testing.assert_array_equal(table.features, features)
    np.testing.assert_array_equal(table.counts, counts)
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 1
        assert {*file} == {"features", "person_ids", "counts"}


VIEWS = {"count": 2, "brightness": 0.3, "hue": 0.5}


class InView(TinyDataSet):
    """The tiny data set, with training pictures as they are seen in a view."""

    def __init__(self, data, view):
        self._viewed = ViewedPictures(data.images("train"), view)

    def image_bytes(self, split, index):
        if split != "train":
            return super().image_bytes(split, index)
        encoded = BytesIO()
        picture = Image.open(BytesIO(self._viewed[index].tobytes()))
        picture.save(encoded, "JPEG", quality=100, subsampling=0)
        return encoded.getvalue()


@pytest.mark.parametrize("kind", ["crops", "network", "onnx"])
def test_views_stand_below_the_rows_of_the_pictures_and_change_nothing_else(kind, here, prepared):
    plain = {read: read(export(here, kind, level="both")) for read in readers("both")}
    content = export(here, kind, level="both", views=VIEWS).read_bytes()
    path = export(here, kind, level="both", views=VIEWS)
    assert path.read_bytes() == content
    for read, rows in plain.items():
        np.testing.assert_array_equal(read(path)[: len(rows)], rows)
    table = read_box_table(path)
    boxes = len(table.features) // 3
    assert boxes == table.offsets[-1]
    # A row of a view is what the teacher says of a data set whose pictures are that view's.
    data = prepare(InView(prepared, table.views[2]), here / "viewed", silent)
    shutil.rmtree(here / "data/prepared")
    shutil.move(data.root, here / "data/prepared")
    seen = read_box_table(export(here, kind, level="box", average=None)).features
    rows, others = table.features[2 * boxes :], table.features[:boxes]
    own, other = ((seen.astype(float) * kept.astype(float)).sum(axis=1) for kept in (rows, others))
    assert own.min() > 0.999  # JPEG moves a row a little
    assert (own > other).all()


@pytest.mark.parametrize("level", ["identity", "box", "both"])
@pytest.mark.parametrize("kind", ["crops", "onnx", "ensemble"])
def test_fewer_dimensions_are_in_the_file_with_their_projection(kind, level, here):
    full = export(here, kind, level=level, average="normalise_then_mean")
    rows = [read(full) for read in readers(level)]
    path = export(here, kind, level=level, average="normalise_then_mean", embedding_dim=4)
    with h5py.File(path) as file:
        projection = file["projection"][:]
        assert file.attrs["embedding_dim"] == 4
    for read, whole in zip(readers(level), rows, strict=True):
        np.testing.assert_allclose(read(path), unit(whole.astype(np.float64) @ projection), atol=2 * HALF)
    np.testing.assert_allclose(projection.T @ projection, np.eye(4), atol=1e-5)


def readers(level):
    known = {"identity": lambda p: read_lookup_table(p).features, "box": lambda p: read_box_table(p).features}
    return known.values() if level == "both" else [known[level]]


def test_a_file_and_its_folder_are_the_same_table_but_for_the_hash(here):
    folder = read_lookup_table(export(here, "onnx"))
    file = read_lookup_table(export(here, "onnx", teacher="onnx/model.onnx"))
    np.testing.assert_array_equal(folder.features, file.features)
    assert folder.features.shape == (IDENTITIES, DIM)
    describe(here / "onnx/model.onnx", mirror=True)
    for teacher, before in (("onnx", folder), ("onnx/model.onnx", file)):  # the YAML is part of the teacher
        after = read_lookup_table(export(here, "onnx", teacher=teacher))
        assert after.teacher_sha256 != before.teacher_sha256
        assert not np.allclose(after.features, before.features, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("onnx", {"teacher": "nothing"}, "no teacher of kind 'onnx': no model at nothing"),
        ("onnx", {"teacher": "data/prepared"}, "data/prepared must hold one model (.onnx), it holds none"),
        ("ensemble", {"teacher": "data"}, "data/crops is a folder; a teacher's folder holds its model"),
        ("torchscript", {"teacher": "onnx/model.onnx"}, "is not a readable TorchScript model"),
        ("crops", {"teacher": "network"}, "holds a network of kind 'person_search', not 'reid'"),
        (
            "crops",
            {"teacher": "network", "level": "box"},
            "holds a network of kind 'person_search', not 'reid'",
        ),
        ("network", {"teacher": "onnx/model.onnx"}, "no teacher of kind 'network'"),
        ("ensemble", {"teacher": "onnx"}, "onnx holds 1 models"),
        (
            "features",
            {"teacher": "crops"},
            "crops is not a file of features (HDF5 or npz), but a file of weights",
        ),
        ("onnx", {"embedding_dim": DIM + 1}, "embedding_dim is 13, but the teacher's embedding has 12"),
        ("onnx", {"embedding_dim": 0}, "parameter 'embedding_dim'"),
        ("onnx", {"level": "scene"}, "parameter 'level'"),
        ("onnx", {"average": None}, "level 'identity' needs `average`: mean_then_normalise or normalise"),
        ("onnx", {"average": None, "level": "both"}, "level 'both' needs `average`"),
        ("cropz", {"teacher": "crops"}, "parameter 'kind'"),
        ("onnx", {"views": {"count": 1, "hue": 0.1}}, "views are of boxes: set `level: box` or `both`"),
        (
            "features",
            {"level": "box", "views": {"count": 1, "hue": 0.1}},
            "a file of features knows no other",
        ),
        ("onnx", {"level": "box", "views": {"count": 1}}, "parameter 'views': views differ in nothing"),
    ],
)
def test_what_is_wrong_with_an_entry_is_one_line_and_nothing_is_written(kind, changes, says, here):
    enter(here, kind, **changes)
    assert says in refused(here, "export_lut --table t")


@pytest.mark.parametrize("level", ["identity", "box"])
@pytest.mark.parametrize("kind", ["onnx", "crops"])
def test_the_leak_is_seen_in_any_part_of_mixed_data(kind, level, here, caplog):
    manifest = here / "data/prepared/manifest.json"
    for parts, seen in ((["tiny", "coco"], False), (["tiny", "prw"], True)):
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"parts": parts}))
        caplog.clear()
        export(here, kind, level=level)
        assert ("Market-1501 shows PRW's people" in caplog.text) == seen


class Unlabelled(TinyDataSet):
    """Training scenes in which nobody is labelled."""

    def splits(self):
        splits = super().splits()
        scenes = [
            replace(scene, person_ids=np.full_like(scene.person_ids, UNLABELLED))
            for scene in splits["train"].scenes
        ]
        return {**splits, "train": replace(splits["train"], scenes=tuple(scenes), identities=())}


@pytest.mark.parametrize("kind", ["crops", "onnx", "features"])
def test_where_nobody_is_labelled_the_entry_and_the_level_that_needs_no_labels_are_named(kind, here):
    shutil.rmtree(here / "data/prepared")
    data = prepare(Unlabelled(), here / "data/prepared", silent)
    features_file(here / "features.npz", data)
    says = "params.yaml: tables.t: there is nobody to embed: nobody in the train split is labelled; `level: b"
    for level in ("identity", "both"):
        enter(here, kind, level=level)
        assert says in refused(here, "export_lut --table t")
    assert table_level(export(here, kind, level="box")) == "box"


@pytest.mark.parametrize("level", ["identity", "box"])
@pytest.mark.parametrize(("value", "what"), [(0.0, "zero"), (np.nan, "not finite")])
def test_a_teacher_that_gives_no_direction_is_one_line(value, what, level, here):
    write_onnx(here / "onnx/model.onnx", matrix=weights() * value)
    enter(here, "onnx", level=level)
    line = refused(here, "export_lut --table t")
    assert f"onnx/model.onnx: the embedding of box 0 of train0.jpg is {what}" in line
