"""Market-1501's layout: read, written from any prepared data set, and read back."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.market import Market
from pipeline.datasets.market_export import write_market
from pipeline.datasets.packing import prepare
from pipeline.scenes.prepared import PreparedDataSet, open_prepared, require_scenes
from pipeline.scenes.scene import UNLABELLED, Split
from tests.data_sets.own_trees import CROP, market
from tests.data_sets.trees import small_prw
from tests.tiny import TinyDataSet, silent

Prepared = Callable[[], PreparedDataSet]


def people(split: Split) -> list[tuple[str, int]]:
    """Return the own id of each scene's person, and the camera."""
    own = (*split.identities, "nobody")
    return [(own[int(scene.person_ids[0])], scene.camera) for scene in split.scenes]


def test_what_is_read(tmp_path: Path) -> None:
    data = Market(market(tmp_path))
    train, test = data.splits().values()
    assert people(train) == [("2", 1), ("2", 2), ("7", 12)] and not train.queries
    assert people(test) == [("1", 3), ("nobody", 1), ("1", 1)]
    assert test.scenes[0].name == "query/0001_c3s1_1_0.jpg" and test.scenes[0].boxes.tolist() == [
        [0, 0, 24, 48]
    ]
    gallery = test.galleries["cross_camera"].of_query(0, 0, test.cameras)
    assert gallery.scenes[gallery.positives].tolist() == [2]
    inspection = data.inspect()
    assert "1 crops of bounding_box_test are junk (-1) and left out" in inspection.findings.notes
    assert not inspection.findings.problems and inspection.release.startswith("a subset")


def test_only_training_crops_are_enough(tmp_path: Path) -> None:
    assert list(Market(market(tmp_path, bounding_box_test=[], query=[])).splits()) == ["train"]


def test_a_bad_name_and_a_bad_folder_are_one_line(tmp_path: Path) -> None:
    root = market(tmp_path / "a", query=["0001.jpg", "-3_c1s1_1_0.jpg"])
    assert [line.split(":")[0] for line in Market(root).inspect().findings.problems] == [
        "query/0001.jpg",
        "query/-3_c1s1_1_0.jpg",
    ]
    assert (
        "holds no crops"
        in Market(market(tmp_path / "b", bounding_box_train=[])).inspect().findings.problems[0]
    )
    with pytest.raises(UserError, match=r"Market-1501: bounding_box_train and .* and query are missing"):
        Market(tmp_path).splits()


@pytest.fixture
def tiny(tmp_path: Path) -> PreparedDataSet:
    return prepare(TinyDataSet(), tmp_path / "prepared", silent)


def test_written_and_read_back_shows_the_same_people(tiny: PreparedDataSet, tmp_path: Path) -> None:
    written = write_market(tiny, tmp_path / "crops", silent)
    read = Market(tmp_path / "crops").splits()
    known = json.loads((tmp_path / "crops/people.json").read_text())["people"]
    labelled = 0
    for name in ("train", "test"):
        own, crops = tiny.split(name), read[name]
        # (own id, scene, box, camera) of each crop, told by its file's name
        cameras = {0: 1, 1: 2}
        expected = sorted(
            (own.identities[person], index, place, cameras[scene.camera])
            for index, scene in enumerate(own.scenes)
            for place, person in enumerate(scene.person_ids.tolist())
            if person != UNLABELLED
        )
        found = []
        for scene in crops.scenes:
            number, camera, index, place = Path(scene.name).stem.replace("_c", "_").split("_")
            person = crops.identities[int(scene.person_ids[0])]
            assert int(number) == int(person) and known[number]["split"] == name
            found.append((known[number]["person"], int(index), int(place), int(camera.split("s")[0])))
            assert scene.camera == int(camera.split("s")[0])
        assert sorted(found) == expected
        labelled += len(expected)
    assert sum(written.crops.values()) == labelled and written.people == len(known) == 8
    assert len(read["test"].queries) == written.crops["query"] == 3
    galleries = read["test"].galleries["full"]
    assert (np.diff(galleries.positive_offsets) > 0).all()


def test_equal_data_give_equal_bytes(tiny: PreparedDataSet, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_market(tiny, tmp_path / name, silent)
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("a", "b")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]


def test_a_crop_of_a_crop_is_the_crop(tmp_path: Path) -> None:
    data = prepare(Market(market(tmp_path / "market")), tmp_path / "prepared", silent)
    crops = LabelledCrops(data, "train")
    assert [crops.image_bytes("train", index) for index in range(3)] == [CROP] * 3


def test_what_is_refused_leaves_nothing(tiny: PreparedDataSet, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    with pytest.raises(UserError, match="is there already"):
        write_market(tiny, tmp_path / "full", silent)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_market(tiny, tmp_path / "out", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "prepared"]


def test_the_command(tiny: PreparedDataSet, tmp_path: Path) -> None:
    def run(*options: str) -> str:
        result = CliRunner().invoke(main, ["crops", *options])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output

    root = small_prw(tmp_path / "prw")
    shown = run("--dataset", "prw", "--root", str(root), "--out", str(tmp_path / "a"))
    assert "5 people; 3 crops to train, 1 queries, 3 in the gallery" in shown
    with Image.open(tmp_path / "a/query/0004_c1s3_000000_00.jpg") as crop:
        assert crop.size == (20, 40)
    assert "8 people" in run("--data", str(tiny.root), "--out", str(tmp_path / "b"))
    assert "not both" in run("--dataset", "prw", "--data", "x", "--out", "y")
    assert "--root goes with --dataset" in run("--root", "x", "--out", "y")
    for source in (("--dataset", "prw", "--root", "nowhere"), ("--data", "nowhere")):  # nothing is looked at
        assert f"{tmp_path / 'a'} is there already" in run(*source, "--out", str(tmp_path / "a"))


def test_a_network_of_scenes_is_not_trained_on_crops(tmp_path: Path) -> None:
    data = prepare(Market(market(tmp_path / "market")), tmp_path / "prepared", silent)
    with pytest.raises(UserError, match="'market' has cropped people only, and a student learns from whole"):
        require_scenes(open_prepared(data.root), "a student")
