"""dvc.yaml against the code of the stages, params.yaml, and itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from pipeline.basics.options import merged, parse_options
from pipeline.training.student.training import StudentOptions
from stages.support.student import check_stage
from tools.import_closure import PACKAGES, import_closure
from tools.stage_dependencies import DECLARATION, code_dependencies, declared_params, definition, is_code

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
TABLE, DETECTOR = "artifacts/id_lut.h5", "models/teachers/detector.safetensors"
TRAINED_BY = {
    "train_baseline": set(),
    "train_student": {TABLE},
    "train_student_by_detector": {DETECTOR},
    "train_student_by_both": {TABLE, DETECTOR},
}
"""The stages that train students, and the teachers that each reads."""
ITEM_ROW = "${item.row}"
COMMAND = re.compile(
    r"python -m stages\.(?P<stage>\w+)(?P<rows>( --row (\$\{item\.row\}|\w+))*)"
    r"( --ablation ablation/results)?"
)
ABLATION = yaml.safe_load((ROOT / "ablation" / "dvc.yaml").read_text())["stages"]

every_stage = pytest.mark.parametrize("name", STAGES)


def files_of(stage, key):
    """The paths of a list of outputs, each a text or a mapping with the path as its only key."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in stage.get(key, [])]


def outputs(stage):
    return [path for key in ("outs", "metrics", "plots") for path in files_of(stage, key)]


def rows_of(name):
    return STAGES[name]["matrix"]["row"]


def code_of(name):
    return ast.parse((ROOT / "stages" / f"{name}.py").read_text())


def is_run_as_a_program(tree):
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


def texts_outside_declaration(tree):
    """Every text in a module's code but those of `PARAMS`; f-strings as written between the quotes."""
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.Assign) and DECLARATION in [ast.unparse(t) for t in node.targets])
    ]
    nodes = [node for top in body for node in ast.walk(top)]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return texts | {ast.unparse(node)[2:-1] for node in nodes if isinstance(node, ast.JoinedStr)}


@every_stage
def test_code_dependencies_are_the_import_closure(name):
    listed = [dependency for dependency in STAGES[name].get("deps", []) if is_code(dependency)]
    assert listed == code_dependencies(name, ROOT), (
        "put dvc.yaml right with: python -m tools.stage_dependencies --write"
    )


@every_stage
def test_params_are_those_declared_in_the_code(name):
    declared = [section.replace("{row}", ITEM_ROW) for section in declared_params(name, ROOT)]
    assert STAGES[name].get("params", []) == declared


@every_stage
def test_every_declared_section_is_read(name):
    tree = code_of(name)
    texts = texts_outside_declaration(tree)
    for section in declared_params(name, ROOT):
        assert section in texts
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func) == "Parameters"]
    assert all(ast.unparse(call.args[0]) == DECLARATION for call in made)
    assert bool(made) == bool(declared_params(name, ROOT))


@every_stage
def test_params_are_in_params_yaml(name):
    for section in declared_params(name, ROOT):
        for row in STAGES[name].get("matrix", {"row": [""]})["row"]:
            value = PARAMS
            for part in section.format(row=row).split("."):
                value = value[part]


@every_stage
def test_command_has_the_one_form(name):
    match = COMMAND.fullmatch(STAGES[name]["cmd"])
    assert match, STAGES[name]["cmd"]
    assert match["stage"] == name
    assert (ITEM_ROW in match["rows"]) == ("matrix" in STAGES[name])


@every_stage
def test_no_shell_and_no_folders_of_code(name):
    assert isinstance(STAGES[name]["cmd"], str)
    for dependency in STAGES[name].get("deps", []):
        assert not re.match(r"(pipeline|stages)(/|$)", dependency) or is_code(dependency)


def test_stages_are_the_programs_in_the_folder():
    programs = {
        path.stem for path in (ROOT / "stages").glob("*.py") if is_run_as_a_program(code_of(path.stem))
    }
    used = {definition(name, stated, Path("ablation")).program for name, stated in ABLATION.items()}
    assert set(STAGES) | used == programs


def test_rows_agree():
    students = list(PARAMS["students"])
    assert students[0] == "baseline"
    trained = [row for stage in TRAINED_BY for row in rows_of(stage)]
    assert sorted(trained) == sorted(students)
    assert rows_of("infer") == students
    assert rows_of("evaluate") == students


def test_report_reads_the_same_files_of_every_row():
    read = [path.split("/")[1:] for path in STAGES["report"]["deps"] if path.startswith("results/")]
    files = {}
    for row, file in read:
        if row != "teachers":
            files.setdefault(row, []).append(file)
    assert list(files) == list(PARAMS["students"])
    for names in files.values():
        assert {"metrics.json", "cost.json", "detections.h5"} <= set(names)
        assert names == files["baseline"]
    named = re.findall(r"--row (\w+)", STAGES["report"]["cmd"])
    assert not named or named == list(PARAMS["students"])


def test_outputs_are_of_one_stage_each():
    paths = [
        path.replace(ITEM_ROW, row)
        for stage in STAGES.values()
        for path in outputs(stage)
        for row in stage.get("matrix", {"row": [""]})["row"]
    ]
    assert len(paths) == len(set(paths))


@every_stage
def test_no_checkpoint_is_an_output_and_nothing_persists(name):
    for path in outputs(STAGES[name]):
        assert "checkpoint" not in path
    for key in ("outs", "metrics", "plots"):
        for entry in STAGES[name].get(key, []):
            assert isinstance(entry, str) or not next(iter(entry.values())).get("persist")


@every_stage
def test_data_dependencies_are_made_by_a_stage(name):
    made = {path for stage in STAGES.values() for path in outputs(stage)}
    rows = PARAMS["students"]
    made |= {path.replace(ITEM_ROW, row) for path in made for row in rows}
    made |= {f"ablation/{path}" for path in outputs(ABLATION["compare"])}
    data = [dependency for dependency in STAGES[name].get("deps", []) if not is_code(dependency)]
    assert set(data) <= made


@pytest.mark.parametrize(("name", "teachers"), TRAINED_BY.items())
def test_students_know_their_own_teachers_alone(name, teachers):
    """And the re-ID teacher only as a table."""
    deps = STAGES[name]["deps"]
    assert {path for path in deps if path.startswith(("models/", "artifacts/"))} == teachers
    assert "pipeline/models/reid.py" not in deps
    assert ("pipeline/lookup_table.py" in deps) == (TABLE in teachers)


@pytest.mark.parametrize("row", PARAMS["students"])
def test_rows_are_trained_where_their_teachers_are(row):
    common = PARAMS["train_student"]
    options = parse_options(StudentOptions, merged(common, PARAMS["students"][row]), row)
    (stage,) = [name for name in TRAINED_BY if row in rows_of(name)]
    check_stage(options, row, stage)


def test_dvc_reads_it():
    result = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert {line.partition("@")[0] for line in result.stdout.split()} == set(STAGES)


def test_closure_is_what_python_imports():
    command = "import sys, stages.crop; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = set()
    for module in result.stdout.split():
        if module.partition(".")[0] not in PACKAGES:
            continue
        path = Path(*module.split("."))
        is_package = (ROOT / path / "__init__.py").is_file()
        files.add((path / "__init__.py" if is_package else path.with_suffix(".py")).as_posix())
    assert files == import_closure("stages.crop", ROOT)


@pytest.mark.parametrize("folder", ["", "ablation"])
def test_the_lock_file_is_of_this_code(folder):
    """Committed numbers come from the committed code: else `dvc repro`, and commit what it changed."""
    with Repo(str(ROOT / folder)) as repo:
        code = [
            (stage.addressing, dep)
            for stage in repo.index.stages
            for dep in stage.deps
            if is_code(dep.def_path.removeprefix("../../").removeprefix("../"))
        ]
        assert len(code) > len(STAGES)
        assert [f"{stage}: {dep} is empty" for stage, dep in code if dep.meta.nfiles == 0] == []
        older = sorted({stage for stage, dep in code if dep.changed_checksum()})
        assert not older, (
            f"dvc.lock is of other code: run `dvc repro {' '.join(older)}`, commit what it changes"
        )


def test_the_lock_file_has_no_stage_that_is_gone():
    """DVC leaves what it recorded of a stage that was renamed; `dvc repro` never looks at it again."""
    rows = {name: stage.get("matrix", {}).get("row") for name, stage in STAGES.items()}
    there = {f"{name}@{row}" if row else name for name, of in rows.items() for row in of or [""]}
    assert set(yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]) <= there
