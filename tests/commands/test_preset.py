import copy
from functools import cache
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from commands.main import main
from commands.parameter_checks import OPTIONS, STUDENT, STUDENTS, TABLES, check_parameters
from commands.preset import PRESETS, changes, preset_text
from pipeline.basics.errors import UserError
from pipeline.basics.options import merged, parse_options
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchOptions
from stages.support.parameters import NETWORK, SECTIONS
from tests.models.test_person_search import image, target

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "fixtures" / "protocol-cases" / "clean"
NAMES = ["cuhk_sysu", "cuhk_sysu_modern", "prw", "prw_modern", "prw_small", "synthetic"]
TREES = {name: CASES / ("cuhk" if name.startswith("cuhk") else "prw") for name in NAMES[:-1]}
PARTS = {
    "cuhk_sysu": ["paper_scale", "cuhk_sysu"],
    "cuhk_sysu_modern": ["paper_scale", "modern", "cuhk_sysu_modern"],
    "prw": ["paper_scale", "prw"],
    "prw_modern": ["paper_scale", "modern", "prw_modern"],
}
"""The files that a preset is put together from: each is put over those before it."""
OF_PAPER = [*PARTS]

NO_TEACHERS = {"table": "artifacts/no_table", "detector": "models/no_detector"}

TABLE = {"kind": "crops", "teacher": "models/teachers/reid.safetensors", "average": "normalise_then_mean"}

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
    return copy.deepcopy(read_once(name))


@cache
def read_once(name):
    """The same, read once."""
    values = yaml.safe_load(preset_text(name, TREES.get(name)))
    return values | {"dataset": values["dataset"] | ({"root": None} if name in TREES else {})}


def test_these_are_all():
    assert sorted(path.stem for path in PRESETS.glob("*.yaml")) == sorted([*NAMES, "paper_scale", "modern"])


def test_synthetic_is_what_is_committed():
    assert values_of("synthetic") == yaml.safe_load((ROOT / "params.yaml").read_text()), (
        "params.yaml and presets/synthetic.yaml must hold the same: copy the one that is right over the other"
    )


@every_preset
def test_every_preset_passes_the_stages_checks(name):
    check_parameters(values_of(name), Path("params.yaml"))


@every_preset
def test_every_preset_has_the_students_of_the_default_run(name):
    students, default = (list(values_of(of)["students"]) for of in (name, "synthetic"))
    of_resnet50 = ["baseline_resnet50", "kd_lut_resnet50"] if name in OF_PAPER else []
    seqnets = ["seqnet_resnet50", "kd_lut_seqnet_resnet50"] if "modern" in name else []
    assert students == default + of_resnet50 + seqnets


@every_preset
def test_every_table_that_a_student_names_is_an_entry(name):
    values = values_of(name)
    named = {entry["table"] for entry in values["students"].values()} - {NO_TEACHERS["table"]}
    assert named == {f"artifacts/{table}.h5" for table in values["tables"]}


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


@pytest.mark.parametrize("name", OF_PAPER)
def test_paper_scale(name):
    values = values_of(name)
    students = values["students"]
    for student, entry in students.items():
        oim = entry["identity"]["target"] == "oim"
        assert entry["identity"]["queue_size"] == ((5000 if "cuhk" in name else 500) if oim else 0)
        assert entry["identity"]["scale"] == (30 if "modern" in name else 10)
        assert entry.get("detector_distillation", {"hint_form": "pkd"})["hint_form"] == "pkd"
        assert ("resnet50" in student) == (
            entry.get("network", {}).get("backbone", {}).get("name") == "resnet50"
        )
    for section in ("train_student", "train_detector"):
        training = values[section]["training"]
        assert training["batch_size"] * training["accumulate"] == (5 if "modern" in name else 2)
        assert training["bias_factor"] == (1 if "modern" in name else 2)


SMALL = [
    *((name, student) for name in OF_PAPER[:2] for student in ("kd_both", "baseline_resnet50")),
    ("cuhk_sysu_modern", "seqnet_resnet50"),
]


@pytest.mark.parametrize(("name", "student"), SMALL)
def test_a_students_network_of_the_papers_scale_trains_on_small_scenes(name, student):
    """With the preset's parts, but without its ImageNet weights, and with fewer proposals to learn from."""
    values = values_of(name)
    network = merged(
        merged(values["network"], values["train_student"]["network"]),
        values["students"][student].get("network", {}),
    )
    fewer = {"rpn": {"post_nms_train": 32}, "roi": {"sampled_rois": 16}}
    small = {"short_side": 64, "long_side": 96, "backbone": {"weights": "none"}} | fewer
    options = parse_options(PersonSearchOptions, merged(network, small), name)
    step = build_student(options).train().search_step([image()], [target([0, 1])])
    losses = [*step.detection.losses.values(), *step.further.losses.values()]
    (sum(losses) + step.embeddings[:, 0].mean()).backward()
    assert all(loss.isfinite() for loss in losses)
    assert len(step.person_ids) > 0


@pytest.mark.parametrize("name", ["cuhk_sysu", "prw"])
def test_the_papers_schedule_and_size(name):
    values = values_of(name)
    network, training = values["network"], values["train_student"]["training"]
    assert (network["short_side"], network["long_side"]) == (600, 1000)
    assert (training["steps"], training["decay_steps"], training["learning_rate"]) == (50000, [40000], 0.001)
    assert (network["rpn"]["width"], network["rpn"]["min_size"], network["roi"]["box_beta"]) == (512, 16, 1.0)
    assert network["backbone"]["tail_normalisation"] == "batch"


@pytest.mark.parametrize(("name", "scenes", "passes"), [("cuhk_sysu", 11206, 20), ("prw", 5704, 18)])
def test_the_modern_schedule_is_whole_passes_with_the_first_for_warming_up(name, scenes, passes):
    values = values_of(f"{name}_modern")
    network, training = values["network"], values["train_student"]["training"]
    assert (network["short_side"], network["long_side"]) == (900, 1500)
    batches = scenes // training["batch_size"]
    assert training["steps"] == batches * passes
    assert training["warmup_steps"] == batches
    assert training["decay_steps"] == [16 * batches]


def remarks_of(text):
    """What is behind values, by the value's place; and whole lines of comments."""
    behind, lines, place = {}, [], []
    for line in text.splitlines():
        code, _, remark = (part.strip() for part in line.partition("#"))
        if not code:
            lines += [remark] if remark else []
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        place = [*place[:depth], code.partition(":")[0]]
        if remark:
            behind[".".join(place)] = remark
    return behind, lines


@every_preset
def test_writes_the_preset_with_its_comments(project, name):
    result = run(name)
    assert result.exit_code == 0, result.output
    written = (project / "params.yaml").read_text()
    found, lines = remarks_of(written)
    expected, kept = {}, None
    for part in PARTS.get(name, [name]):
        behind, whole_lines = remarks_of((PRESETS / f"{part}.yaml").read_text())
        expected |= behind
        kept = kept or whole_lines
    assert found == expected
    assert lines == kept
    values = yaml.safe_load(written)
    check_parameters(values, Path("params.yaml"))
    assert values["dataset"].get("root") == (str(TREES[name]) if name in TREES else None)
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml", "params.yaml"]


@pytest.mark.parametrize("name", ["modern", "prw", "prw_modern"])
def test_what_is_put_over_says_where_it_is_from(name):
    """Else the remark of what it is put over, with another source, would stay behind the new value."""
    text = (PRESETS / f"{name}.yaml").read_text()
    values = [line for line in text.splitlines() if line.startswith("  ") and not line.rstrip().endswith(":")]
    assert values
    assert all("[" in line.partition("#")[2] for line in values)


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
    assert {*OPTIONS, STUDENT, STUDENTS, TABLES, NETWORK} == set(SECTIONS)


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("infer", {"batch_size": 0, "context_threshold": 0.5}, "infer: parameter 'batch_size'"),
        ("infer", None, "section 'infer' is missing"),
        ("nothing", {}, "unknown section 'nothing'"),
        ("tables", {"a": 3}, r"'tables\.a' must be a section"),
        ("tables", {"a": {}}, r"tables\.a: parameter 'kind' is missing"),
        ("tables", {"a/b": TABLE}, r"tables\.a/b: a table's name is that of its file.*got 'a/b'"),
        ("tables", {"a": TABLE | {"kind": "reid"}}, r"tables\.a: parameter 'kind'"),
        ("tables", {"a": TABLE | {"average": "median"}}, r"tables\.a: parameter 'average'"),
        ("students", {"baseline": {}}, r"students\.baseline: 'table' is missing"),
        ("students", {"baseline": NO_TEACHERS}, r"students\.baseline: parameter 'identity' is missing"),
        ("students", {"baseline": 3}, r"'students\.baseline' must be a section"),
        ("students", {"a b": {}}, r"students\.a b: a student's name is that of its files.*got 'a b'"),
    ],
)
def test_wrong_sections(section, value, message):
    with pytest.raises(UserError, match=message):
        check_parameters(values_of("synthetic") | {section: value}, Path("params.yaml"))
