"""`person-search tune`: equal budgets, validation identities only, nothing done twice."""

import json

import pytest
import torch
import yaml
from click.testing import CliRunner

from commands import tuning as command
from commands.main import main
from commands.trying import Outcome
from commands.tune import MEASURED
from pipeline.datasets.packing import prepare
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.weight_files import save_weights
from tests.tiny import TinyDataSet, search_options, silent

NO_TEACHERS = {"table": "artifacts/no_table", "detector": "models/no_detector"}


class WithValidation(TinyDataSet):
    """The tiny data set, with its test split under the name of a validation split as well."""

    def splits(self):
        splits = dict(super().splits())
        return {"train": splits["train"], "val": splits["test"]}

    def image_bytes(self, split, index):
        return super().image_bytes("test" if split == "val" else split, index)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare(WithValidation(), tmp_path / "data/prepared", silent)
    (tmp_path / "tuning").mkdir()
    network = {"backbone": {"name": "tiny", "normalisation": "batch"}, "short_side": 96, "long_side": 128}
    training = {"steps": 2, "batch_size": 2, "optimizer": "sgd", "learning_rate": 0.001, "weight_decay": 0.0}
    parameters = {
        "network": network,
        "train_student": {"seed": 0, "training": training | {"schedule": "step"}},
        "students": {"baseline": NO_TEACHERS | {"identity": {"target": "oim", "weight": 1.0}}},
        "infer": {"batch_size": 4, "context_threshold": 0.5},
        "evaluate": {"gallery_sizes": [50]},  # of the test split
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters))
    return tmp_path


def tries(project, **students):
    (project / "tuning/tries.yaml").write_text(yaml.safe_dump(students))


def run(*arguments):
    return CliRunner().invoke(main, ["tune", *arguments])


def test_a_try_is_trained_and_scored_once(project, monkeypatch):
    tries(project, baseline=[{"identity": {"weight": 0.5}}])
    first = run()
    assert first.exit_code == 0, first.output
    kept = (project / "tuning/results/baseline.json").read_text()
    entry = json.loads(kept)["tries"][0]
    assert entry["settings"] == {"identity": {"weight": 0.5}}
    assert entry["inputs"]["options"]["identity"]["weight"] == 0.5
    assert all(0 <= value <= 1 for value in entry["validation"].values())

    def never(*_arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(command, "try_settings", never)
    assert run().exit_code == 0
    assert (project / "tuning/results/baseline.json").read_text() == kept


def test_the_best_by_search_is_named(project, monkeypatch):
    tries(project, baseline=[{"identity": {"weight": weight}} for weight in (0.1, 0.2, 0.3)])
    reached = iter([0.2, 0.6, 0.4])
    monkeypatch.setattr(command, "try_settings", lambda *_: Outcome(next(reached), 0.0, 0.0, 0.0, 0.0))
    assert 'best of baseline by search_mAP: {"identity": {"weight": 0.2}}' in run().output


def test_the_best_by_any_other_metric_is_named(project, monkeypatch):
    assert sorted(MEASURED) == sorted(Outcome(0, 0, 0, 0, 0).as_dict())
    tries(project, baseline=[{"identity": {"weight": weight}} for weight in (0.1, 0.2)])
    reached = iter([Outcome(0.5, 0.1, 0.2, 0.3, 0.8), Outcome(0.6, 0.1, 0.2, 0.3, 0.7)])
    monkeypatch.setattr(command, "try_settings", lambda *_: next(reached))
    by_search, by_true_boxes = run(), run("--by", "ground_truth_boxes_mAP")
    assert (
        "best of baseline by ground_truth_boxes_mAP: " + '{"identity": {"weight": 0.1}}'
        in by_true_boxes.output
    )
    assert 'best of baseline by search_mAP: {"identity": {"weight": 0.2}}' in by_search.output


def test_a_try_from_before_a_metric_was_there_is_run_again_for_it_alone(project, monkeypatch):
    tries(project, baseline=[{"identity": {"weight": 0.1}}])
    monkeypatch.setattr(command, "try_settings", lambda *_: Outcome(0.5, 0.0, 0.0, 0.0, 0.6))
    assert run().exit_code == 0
    path = project / "tuning/results/baseline.json"
    kept = json.loads(path.read_text())
    del kept["tries"][0]["validation"]["ground_truth_boxes_mAP"]
    path.write_text(json.dumps(kept))
    monkeypatch.setattr(command, "try_settings", lambda *_: Outcome(0.5, 0.0, 0.0, 0.0, 0.7))
    assert run().exit_code == 0
    assert json.loads(path.read_text()) == kept
    assert run("--by", "ground_truth_boxes_mAP").exit_code == 0
    (entry,) = json.loads(path.read_text())["tries"]
    assert entry["validation"]["ground_truth_boxes_mAP"] == 0.7


@pytest.mark.parametrize(
    ("students", "message"),
    [
        ({"baseline": [{}], "kd_lut": [{}, {}]}, "different budgets"),
        ({"baseline": [{"identity": {"wieght": 1.0}}]}, "unknown parameter 'identity.wieght'"),
        ({"nobody": [{}]}, "params.yaml: no student 'nobody'; it has baseline"),
        ({"baseline": {"identity": {}}}, "must hold a list"),
        ({"baseline": []}, "at least one each"),
        ({"baseline": [5]}, "must hold a list"),
        ({}, "must hold a list"),
    ],
)
def test_bad_tries_are_one_line(project, students, message):
    tries(project, **students)
    result = run()
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (project / "tuning/results").exists()


@pytest.mark.parametrize(
    ("students", "options"),
    [(["baseline", "nobody"], []), (["baseline"], ["--student", "baseline", "--student", "nobody"])],
)
def test_a_student_that_there_is_not_is_named_before_anything_is_trained(project, students, options):
    tries(project, **{student: [{}] for student in students})
    result = run(*options)
    assert result.exit_code == 2
    assert "no student 'nobody'; it has baseline" in result.stderr
    own = "tuning/tries.yaml lists tries of 'nobody': name a file of your own students with --tries, or a"
    assert (own in result.stderr) == (not options) and result.stderr.count("\n") == 1
    assert not (project / "tuning/results").exists()


@pytest.mark.parametrize("place", ["/proc/new", "tuning/tries.yaml"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_trained(project, monkeypatch, place):
    monkeypatch.setattr(command, "try_settings", lambda *_: pytest.fail("trained"))
    tries(project, baseline=[{}])
    result = run("--results", place)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: --results {place}: ")
    assert result.stderr.count("\n") == 1


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run().stderr == (
        "Error: no dvc.yaml here; run this in the project's root, or name a file with --tries\n"
    )


@pytest.mark.parametrize(
    ("content", "said"), [(b"a: [", "is no valid YAML"), (b"\xff\xfe\x00", "is no text in UTF-8")]
)
def test_tries_that_are_no_yaml_are_one_line(project, content, said):
    (project / "tuning/tries.yaml").write_bytes(content)
    result = run()
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("content", ["{", '{"tries": [{}]}', "[]", '{"tries": 5}'])
def test_damaged_results_are_named_and_kept(project, content):
    tries(project, baseline=[{}])
    path = project / "tuning/results/baseline.json"
    path.parent.mkdir()
    path.write_text(content)
    result = run()
    assert result.exit_code == 2
    assert "baseline.json is damaged; restore it with git" in result.stderr
    assert path.read_text() == content


def test_without_validation_people_there_is_nothing_to_tune_on(project):
    prepare(TinyDataSet(), project / "data/prepared", silent)
    tries(project, baseline=[{}])
    result = run()
    assert result.exit_code == 2
    assert "no validation split" in result.stderr


def test_a_trained_student_is_scored_as_a_try_is(project):
    torch.manual_seed(0)
    options = search_options()
    weights = project / "student.safetensors"
    save_weights(weights, "person_search", options, PersonSearchNetwork(options).state_dict())
    result = CliRunner().invoke(main, ["validate", str(weights)])
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout.split(": ", 1)[1])
    assert outcome.keys() == Outcome(0, 0, 0, 0, 0).as_dict().keys()
    assert all(0 <= value <= 1 for value in outcome.values())
