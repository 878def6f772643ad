from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from commands.main import main
from commands.parameter_checks import OPTIONS, STUDENT, STUDENTS, check_parameters
from commands.preset import PRESETS, changes, preset_text
from pipeline.basics.errors import UserError
from stages.support.parameters import NETWORK, SECTIONS

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "fixtures" / "protocol-cases" / "clean"
NAMES = ["cuhk_sysu", "prw", "prw_small", "synthetic"]
TREES = {"cuhk_sysu": CASES / "cuhk", "prw": CASES / "prw", "prw_small": CASES / "prw"}

NO_TEACHERS = {"table": "artifacts/no_table", "detector": "models/no_detector"}

every_preset = pytest.mark.parametrize("name", NAMES)
every_preset_with_root = pytest.mark.parametrize("name", TREES)


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text("infer: {batch_size: 7}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name, *options):
    root = ["--root", str(TREES[name])] if name in TREES and not options else []
    return CliRunner().invoke(main, ["preset", name, *root, *options])


def values_of(name):
    """What a preset writes, but for the root."""
    values = yaml.safe_load(preset_text(name, TREES.get(name)))
    return values | {"dataset": values["dataset"] | ({"root": None} if name in TREES else {})}


def test_these_are_all():
    assert sorted(path.stem for path in PRESETS.glob("*.yaml")) == sorted([*NAMES, "paper_scale"])


def test_synthetic_is_what_is_committed():
    assert values_of("synthetic") == yaml.safe_load((ROOT / "params.yaml").read_text()), (
        "params.yaml and presets/synthetic.yaml must hold the same: copy the one that is right over the other"
    )


@every_preset
def test_every_preset_passes_the_stages_checks(name):
    check_parameters(values_of(name), Path("params.yaml"))


@every_preset
def test_every_preset_has_the_students_of_the_default_run(name):
    assert list(values_of(name)["students"]) == list(values_of("synthetic")["students"])


@every_preset
def test_table_and_student_have_the_same_size(name):
    values = values_of(name)
    dims = {values[section]["network"]["embedding_dim"] for section in ("train_reid", "train_student")}
    assert len(dims) == 1


@every_preset
def test_detector_teacher_sees_what_the_student_sees(name):
    values = values_of(name)
    for section in ("train_detector", "train_student"):
        assert not values[section].get("network", {}).keys() & {"short_side", "long_side"}


@pytest.mark.parametrize(("name", "queue"), [("cuhk_sysu", 5000), ("prw", 500)])
def test_paper_scale(name, queue):
    values = values_of(name)
    assert values["students"]["baseline"]["identity"]["queue_size"] == queue
    assert values["students"]["kd_lut"]["identity"]["queue_size"] == 0
    training = values["train_student"]["training"]
    assert (training["steps"], training["decay_steps"], training["learning_rate"]) == (50000, [40000], 0.001)


@every_preset
def test_writes_the_preset_with_its_comments(project, name):
    result = run(name)
    assert result.exit_code == 0, result.output
    written = (project / "params.yaml").read_text()
    source = PRESETS / ("paper_scale.yaml" if name in ("cuhk_sysu", "prw") else f"{name}.yaml")
    remarks = [line.partition("#")[2].strip() for line in source.read_text().splitlines() if "#" in line]
    kept = [line.partition("#")[2].strip() for line in written.splitlines() if "#" in line]
    assert len(set(remarks) - set(kept)) <= (1 if name == "prw" else 0)
    values = yaml.safe_load(written)
    check_parameters(values, Path("params.yaml"))
    assert values["dataset"].get("root") == (str(TREES[name]) if name in TREES else None)
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml", "params.yaml"]


def test_shows_what_changes_and_nothing_else(project):
    values = values_of("synthetic") | {"infer": {"batch_size": 7, "context_threshold": 0.5}}
    (project / "params.yaml").write_text(yaml.safe_dump(values))
    rows = [line.split() for line in run("synthetic").stdout.splitlines()]
    assert rows[0] == ["key", "before", "after"]
    assert rows[1] == ["infer.batch_size", "7", str(values_of("synthetic")["infer"]["batch_size"])]
    assert rows[2] == []
    assert "already" in run("synthetic").stdout


def test_changes():
    assert list(changes({"a": {"b": 1, "c": 2}}, {"a": {"b": 1.0, "d": [3]}})) == [
        ("a.b", "1", "1.0"),
        ("a.d", "-", "[3]"),
        ("a.c", "2", "-"),
    ]


def test_a_root_given_from_the_project_stays_so(project):
    (project / "raw sets: all").symlink_to(CASES)
    result = run("prw", "--root", "raw sets: all/prw")
    assert result.exit_code == 0, result.output
    assert yaml.safe_load((project / "params.yaml").read_text())["dataset"]["root"] == "raw sets: all/prw"


def test_a_broken_or_missing_params_yaml_is_replaced(project):
    for text in ("infer: [", "- 1", None):
        (project / "params.yaml").unlink()
        if text is not None:
            (project / "params.yaml").write_text(text)
        assert run("synthetic").exit_code == 0
        assert yaml.safe_load((project / "params.yaml").read_text()) == values_of("synthetic")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("synthetic", ["--root", "."], "takes no --root"),
        ("prw", ["--root", "nowhere"], "does not exist"),
        ("prw", ["--root", str(CASES / "cuhk")], "use the data set name 'cuhk_sysu'"),
        ("cuhk_sysu", ["--root", str(CASES)], "did you mean"),
        ("prw", ["--root", "dvc.yaml"], "is a file"),
        ("nothing", [], "nothing"),
    ],
)
def test_errors_leave_params_yaml_alone(project, name, options, message):
    result = run(name, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert (project / "params.yaml").read_text() == "infer: {batch_size: 7}\n"


@every_preset_with_root
def test_a_real_data_set_needs_a_root(project, name):
    result = CliRunner().invoke(main, ["preset", name])
    assert result.exit_code == 2
    assert "needs --root" in result.stderr


def test_only_in_the_projects_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("synthetic")
    assert result.exit_code == 2
    assert "project's root" in result.stderr
    assert not list(tmp_path.iterdir())


def test_all_sections_are_checked():
    assert {*OPTIONS, STUDENT, STUDENTS, NETWORK} == set(SECTIONS)


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("infer", {"batch_size": 0, "context_threshold": 0.5}, "infer: parameter 'batch_size'"),
        ("infer", None, "section 'infer' is missing"),
        ("nothing", {}, "unknown section 'nothing'"),
        ("students", {"baseline": {}}, r"students\.baseline: 'table' is missing"),
        ("students", {"baseline": NO_TEACHERS}, r"students\.baseline: parameter 'identity' is missing"),
        ("students", {"baseline": 3}, r"'students\.baseline' must be a section"),
    ],
)
def test_wrong_sections(section, value, message):
    with pytest.raises(UserError, match=message):
        check_parameters(values_of("synthetic") | {section: value}, Path("params.yaml"))
