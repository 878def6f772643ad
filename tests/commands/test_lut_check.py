"""`person-search lut check`: what a table's teacher reaches, beside a colour histogram."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from commands.main import main
from pipeline.datasets.packing import prepare
from pipeline.evaluation.true_boxes import true_box_scores
from pipeline.scenes.scene import UNLABELLED
from tests.stages.features_files import features_file
from tests.teachers.models import write_onnx
from tests.tiny import TinyDataSet, UnlabelledDataSet, silent


class WithValidation(TinyDataSet):
    """The test scenes a second time, as validation people."""

    def splits(self):
        splits = super().splits()
        test = splits["test"]
        return {**splits, "val": replace(test, name="val", scenes=tuple(map(self._renamed, test.scenes)))}

    def image_bytes(self, split, index):
        return super().image_bytes("test" if split == "val" else split, index)

    @staticmethod
    def _renamed(scene):
        return replace(scene, name=scene.name.replace("test", "val"))


class Prw(TinyDataSet):
    name = "prw"


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    return prepare(WithValidation(), tmp_path_factory.mktemp("val") / "prepared", silent)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_onnx(tmp_path / "model.onnx", mirror=True)
    return tmp_path


def enter(folder, kind="onnx", teacher="model.onnx", **changes):
    entry = {"kind": kind, "teacher": teacher, "average": "mean_then_normalise"} | changes
    values = {"export_lut": {"batch_size": 4, "scene_batch_size": 2}, "tables": {"t": entry}}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def check(*arguments):
    return CliRunner().invoke(main, ["lut", "check", *map(str, arguments)])


def cells(result):
    """Return the printed table: by what is searched for and by whom, queries, mAP and top-1."""
    found = {}
    for line in result.stdout.splitlines()[2:]:
        protocol, queries, who, mean_ap, top1 = (cell for cell in line.split("  ") if cell)
        found[protocol.strip(), who.strip()] = (int(queries), float(mean_ap), float(top1))
    return found


def test_a_teacher_stands_beside_the_histogram_on_validation_people(here, validated):
    enter(here)
    result = check("t", "--data", validated.root)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("val of 'tiny': 4 people, 15 boxes\n")
    assert "mAP, %  top-1, %" in result.stdout
    found = cells(result)
    for protocol in ("all boxes", "own queries", "across cameras"):
        # People are of one colour each: nothing is easier.
        assert found[protocol, "colour histogram"][1:] == (100.0, 100.0)
        assert found[protocol, "t (onnx)"][1] > 50
    assert found["all boxes", "t (onnx)"][0] == 10
    assert found["own queries", "t (onnx)"][0] == 3


def test_features_of_the_training_boxes_are_scored_as_they_are(here, validated):
    features_file(here / "f.npz", validated)
    enter(here, "features", "f.npz")
    result = check("t", "--data", validated.root, "--split", "train")
    assert result.exit_code == 0, result.output
    assert "these are the people that students learn from" in result.stderr
    scenes = validated.split("train").scenes
    rows = np.load(here / "f.npz")["features"].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = np.concatenate([scene.person_ids for scene in scenes])
    places = np.repeat(np.arange(len(scenes)), [len(scene.boxes) for scene in scenes])
    wanted = true_box_scores(rows, ids, places, np.zeros(len(rows), int))
    queries, mean_ap, top1 = cells(result)["all boxes", "t (features)"]
    assert queries == wanted.queries == int((ids != UNLABELLED).sum())
    assert (mean_ap, top1) == pytest.approx((100 * wanted.mean_ap, 100 * wanted.top1), abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("t",), "data set 'tiny' has no validation people; `--split test` checks the teacher on the test"),
        (("nothing",), "params.yaml: no table 'nothing'; it has t"),
        (("t", "--split", "test", "--data", "nowhere"), "no prepared data set in nowhere"),
    ],
)
def test_what_is_not_there_is_one_line(arguments, says, here, prepared):
    (here / "data").mkdir()
    (here / "data/prepared").symlink_to(prepared.root)
    enter(here)
    result = check(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


def test_ways_that_are_not_there_are_not_advised(here):
    enter(here)
    prepare(UnlabelledDataSet(), here / "p", silent)
    other = "`--data FOLDER` checks it on another prepared data set\n"
    assert check("t", "--data", "p").stderr == f"Error: data set 'tiny' has no validation people; {other}"

    class Alone(TinyDataSet):
        def splits(self):
            return {"train": super().splits()["train"]}

    prepare(Alone(), here / "alone", silent)
    said = check("t", "--data", "alone").stderr
    assert "`--split train` checks it on the training people; `dataset.validation` in params.yaml" in said
    assert "--split test" not in said


def test_features_are_not_those_of_validation_people(here, validated):
    features_file(here / "f.npz", validated)
    enter(here, "features", "f.npz")
    result = check("t", "--data", validated.root)
    assert result.exit_code == 2
    assert "the features of f.npz are those of the training boxes; `--split train`" in result.stderr


def test_test_people_must_be_asked_for_and_the_leak_is_named(here, tmp_path):
    data = prepare(Prw(), tmp_path / "prw", silent)
    for trained_on, says in (
        (["Market1501"], "was trained on Market1501, whose people"),
        (None, "nobody said"),
    ):
        write_onnx(here / "model.onnx", **({} if trained_on is None else {"trained_on": trained_on}))
        enter(here)
        result = check("t", "--data", data.root, "--split", "test")
        assert result.exit_code == 0, result.output
        assert "these are the test people" in result.stderr
        assert f"params.yaml: tables.t: {'this teacher ' if trained_on else ''}{says}" in result.stderr


def test_one_model_of_an_ensemble_that_has_seen_them_is_enough(here, tmp_path):
    data = prepare(Prw(), tmp_path / "prw", silent)
    write_onnx(here / "two/a.onnx")
    write_onnx(here / "two/b.onnx", trained_on=["market1501"])
    enter(here, "ensemble", "two")
    result = check("t", "--data", data.root, "--split", "test")
    assert "this teacher was trained on market1501, whose people" in result.stderr
    assert "what was learned from by two/a.onnx" in result.stderr


def test_a_file_called_like_a_command_is_still_shown(here):
    (here / "check").write_text("no table")
    shown = CliRunner().invoke(main, ["lut", "show", "check"])
    path = CliRunner().invoke(main, ["lut", "./check"])
    assert shown.exit_code == path.exit_code == 2
    assert shown.stderr == path.stderr
    assert "not a sound look-up table" in shown.stderr
