"""`person-search validate`: a student on validation or test scenes, of any prepared data."""

import json

import pytest
import torch
import yaml
from click.testing import CliRunner

from commands.main import main
from pipeline.datasets.packing import prepare
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.weight_files import save_weights
from tests.tiny import UnlabelledDataSet, search_options, silent

WEIGHTS = "student.safetensors"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    options = search_options()
    save_weights(tmp_path / WEIGHTS, "person_search", options, PersonSearchNetwork(options).state_dict())
    values = {"infer": {"batch_size": 4, "context_threshold": 0.5}, "evaluate": {"gallery_sizes": [50]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", WEIGHTS, *map(str, arguments)])


def test_test_scenes_of_any_data_must_be_asked_for(here, prepared):
    result = validate("--data", prepared.root, "--split", "test")
    assert result.exit_code == 0, result.output
    assert "these are the test people: whoever chooses settings by them" in result.stderr
    outcome = json.loads(result.stdout.split(": ", 1)[1])
    assert result.stdout.startswith(f"{WEIGHTS}: ") and result.stdout.count("\n") == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("  test of 'tiny'")]
    shown = [float(number) for number in line.removeprefix("  test of 'tiny'").split()]
    assert len(shown) == 5
    told = ("search_mAP", "search_top1", "ground_truth_boxes_mAP", "coco_ap50", "coco_ap70")
    for name, number in zip(told, shown, strict=True):
        assert number == pytest.approx(100 * outcome[name], abs=0.06)
    assert "mAP, true boxes, %" in result.stderr


@pytest.mark.parametrize(("split", "says"), [("val", "has no validation split"), ("train", "--split")])
def test_splits_that_are_not_there(here, prepared, split, says):
    result = validate("--data", prepared.root, "--split", split)
    assert result.exit_code == 2
    assert says in result.stderr and not result.stdout


def test_what_cannot_be_made_is_not_advised(here, prepared):
    assert (
        "`dataset.validation` in params.yaml makes such a split" in validate("--data", prepared.root).stderr
    )
    prepare(UnlabelledDataSet(), here / "p", silent)
    said = validate("--data", "p").stderr
    assert "nobody is labelled in its training scenes" in said and "dataset.validation" not in said
    assert "`person-search validate WEIGHTS --split test --data FOLDER`" in said and said.count("\n") == 1
