from dataclasses import replace

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.batches.views import ViewOptions, draw_views
from pipeline.box_table import TableOrigin, writing_box_table
from pipeline.datasets.packing import prepare
from pipeline.datasets.synthetic.data_set import Synthetic, SyntheticOptions
from pipeline.lookup_table import LookupTable, write_lookup_table
from pipeline.scenes.box_rows import box_offsets

IDENTITIES = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    options = SyntheticOptions(
        image_height=64,
        image_width=96,
        train_identities=IDENTITIES,
        validation_identities=2,
        test_identities=2,
        appearances=2,
        train_unlabelled=0,
        validation_unlabelled=0,
        test_unlabelled=0,
        people_per_scene=(1, 2),
        distractors=(0, 0),
        mannequin_fraction=0.0,
        gallery_sizes=(5,),
        default_gallery=5,
    )
    return prepare(Synthetic(options), tmp_path_factory.mktemp("data") / "prepared", lambda *_: None)


@pytest.fixture
def table(data):
    features = np.eye(IDENTITIES, 8, dtype=np.float32)
    features[1] = features[0] * 0.6 + features[2] * 0.8
    ids = np.arange(IDENTITIES)
    return LookupTable(features, ids, np.array([1, 2, 3, 8]), data.name, data.sha256, "f" * 64)


@pytest.fixture
def written(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lookup_table(tmp_path / "lut.h5", table)
    return tmp_path / "lut.h5"


def lut(*arguments):
    return CliRunner().invoke(main, ["lut", *map(str, arguments)])


def test_shows_what_is_there_and_that_it_fits(written, data):
    result = lut(written, "--data", data.root)
    assert result.exit_code == 0, result.output
    lines = {" ".join(line.split()) for line in result.stdout.splitlines()}
    assert "identities 4 (one unit row each)" in lines
    assert "dimensions 8" in lines
    assert "boxes an identity 1 to 8, median 2.5" in lines
    assert f"data set synthetic ({data.sha256[:12]})" in lines
    assert "teacher ffffffffffff" in lines
    assert f"similarity of rows {(0.6 + 0.8) / 6:.3f} on average" in lines
    pairs = [line for line in lines if line.startswith("0.8")]
    assert pairs == ["0.800 1 (train-0001) and 2 (train-0002)"]
    assert "It fits" in result.stdout


def test_without_prepared_data_it_is_compared_with_none(written):
    result = lut(written)
    assert result.exit_code == 0
    assert "no data" in result.stdout


def test_the_data_in_place_are_taken(written, data, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prepared").symlink_to(data.root)
    assert "It fits data/prepared" in lut(written).stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "prw"}, "it is of data set 'prw'"),
        ({"dataset_sha256": "0" * 64}, "another version"),
        ({"person_ids": np.array([0, 1, 2, 4])}, "1 identities have no row (first: 3)"),
        ({"person_ids": np.array([0, 1, 2, 4])}, "1 rows are of no identity (first: 4)"),
    ],
)
def test_one_that_does_not_fit(written, table, data, change, message):
    write_lookup_table(written, replace(table, **change))
    result = lut(written, "--data", data.root)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "identities" in result.stdout


def test_what_cannot_be_read(written, tmp_path, data):
    (tmp_path / "text.h5").write_text("no table")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    damaged = bytearray(written.read_bytes())
    with h5py.File(written) as file:
        chunk = file["features"].id.get_chunk_info(0).byte_offset
    damaged[chunk] ^= 255
    (tmp_path / "damaged.h5").write_bytes(bytes(damaged))
    for name in ("missing.h5", "text.h5", "other.h5", "damaged.h5"):
        result = lut(tmp_path / name)
        assert result.exit_code == 2, name
        assert name in result.stderr
        assert result.stderr.count("\n") == 1
    assert lut(written, "--data", tmp_path).exit_code == 2


def test_a_single_identity(written, table):
    one = replace(table, features=table.features[:1], person_ids=np.arange(1), counts=np.array([3]))
    write_lookup_table(written, one)
    result = lut(written)
    assert result.exit_code == 0
    assert "similar" not in result.stdout


def by_box(path, data, **changes):
    """Write a table by box."""
    offsets = box_offsets(data.split("train").scenes)
    origin = TableOrigin(data.name, changes.pop("sha256", data.sha256), "e" * 64)
    projection = np.zeros((9, 8), np.float32) if changes.pop("projected", False) else None
    views = changes.pop("views", None)
    with writing_box_table(path, offsets, 8, origin, projection, views) as writer:
        if table := changes.pop("identities", None):
            writer.add_identities(table)
        writer.append(np.ones((offsets[-1] * (1 if views is None else len(views)), 8)))
    return path


@pytest.mark.parametrize("both", [False, True])
def test_a_table_by_box(both, tmp_path, table, data):
    path = by_box(tmp_path / "box.h5", data, identities=table if both else None, projected=not both)
    result = lut(path, "--data", data.root)
    assert result.exit_code == 0, result.output
    lines = {" ".join(line.split()) for line in result.stdout.splitlines()}
    scenes = data.split("train").scenes
    boxes = sum(len(scene.boxes) for scene in scenes)
    assert f"boxes {boxes} (one unit row each), of {len(scenes)} scenes" in lines
    assert ("identities 4 (one unit row each)" in lines) == both
    assert ("dimensions 8" if both else "dimensions 8, by PCA of the teacher's 9") in lines
    assert "It fits" in result.stdout


def test_a_table_with_views(tmp_path, data):
    scenes = data.split("train").scenes
    views = draw_views(ViewOptions(count=2, hue=0.5), len(scenes))
    result = lut(by_box(tmp_path / "box.h5", data, views=views), "--data", data.root)
    assert result.exit_code == 0, result.output
    lines = {" ".join(line.split()) for line in result.stdout.splitlines()}
    boxes = sum(len(scene.boxes) for scene in scenes)
    assert f"boxes {boxes} (one unit row each), of {len(scenes)} scenes" in lines
    assert "views 3 of each scene, a row each: the picture, and 2 in other colours" in lines


def test_a_table_by_box_that_does_not_fit(tmp_path, data):
    result = lut(by_box(tmp_path / "box.h5", data, sha256="0" * 64), "--data", data.root)
    assert result.exit_code == 1
    assert "another version of 'synthetic'" in result.stderr


def test_help_names_both_commands():
    for help_option in ("--help", "-h"):
        result = lut(help_option)
        assert result.exit_code == 0, result.output
        assert "check" in result.stdout
        assert "`lut FILE`" in result.stdout
    assert lut().exit_code == 2
