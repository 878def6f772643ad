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
from pipeline.training.student.options import NO_DETECTOR, NO_TABLE, StudentOptions, check_teachers
from stages.support.parameters import NETWORK, SHARING_NETWORK
from stages.support.paths import DETECTOR, REID, TABLE, table_file
from tools.import_closure import PACKAGES, import_closure
from tools.stage_dependencies import (
    DECLARATION,
    TRAINING,
    code_dependencies,
    code_files,
    declared_params,
    definition,
    is_code,
)

ROOT = Path(__file__).parents[1]
STATED = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = {name: stage.get("do", stage) for name, stage in STATED.items()}
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
EACH_STUDENT = ("train_student", "infer", "evaluate")
"""The stages that are run for each student."""
EACH_TABLE = ("export_lut",)
"""The stages that are run for each table."""
EACH = dict.fromkeys(EACH_STUDENT, "student") | dict.fromkeys(EACH_TABLE, "table")
KEY = "${key}"
COMMAND = re.compile(
    r"python -m stages\.(?P<stage>\w+)( --(?P<each>student|table) \$\{key\})?( --ablation ablation/results)?"
)
OWN_DATA = yaml.safe_load((ROOT / "own_data" / "dvc.yaml").read_text())["stages"]
ABLATION = yaml.safe_load((ROOT / "ablation" / "dvc.yaml").read_text())["stages"]

every_stage = pytest.mark.parametrize("name", STAGES)


def files_of(stage, key):
    """The paths of a list of outputs, each a text or a mapping with the path as its only key."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in stage.get(key, [])]


def outputs(stage):
    return [path for key in ("outs", "metrics", "plots") for path in files_of(stage, key)]


def entries(name):
    """The entries of params.yaml that a stage is run for."""
    return PARAMS[f"{EACH[name]}s"] if name in EACH else [""]


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
    declared = [section.replace(f"{{{EACH.get(name)}}}", KEY) for section in declared_params(name, ROOT)]
    assert STAGES[name].get("params", []) == declared


@every_stage
def test_every_declared_section_is_read(name):
    tree = code_of(name)
    texts = texts_outside_declaration(tree)
    for section in declared_params(name, ROOT):
        assert section in texts or (section == NETWORK and set(SHARING_NETWORK) & texts)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func) == "Parameters"]
    assert all(ast.unparse(call.args[0]) == DECLARATION for call in made)
    assert bool(made) == bool(declared_params(name, ROOT))


@every_stage
def test_params_are_in_params_yaml(name):
    for section in declared_params(name, ROOT):
        for entry in entries(name):
            value = PARAMS
            for part in section.format(student=entry, table=entry).split("."):
                value = value[part]


@every_stage
def test_command_has_the_one_form(name):
    match = COMMAND.fullmatch(STAGES[name]["cmd"])
    assert match, STAGES[name]["cmd"]
    assert match["stage"] == name
    assert match["each"] == EACH.get(name)


@every_stage
def test_no_shell_and_no_folders_of_code(name):
    assert isinstance(STAGES[name]["cmd"], str)
    for dependency in STAGES[name].get("deps", []):
        assert not re.match(r"(pipeline|stages)(/|$)", dependency) or is_code(dependency)


def test_stages_are_the_programs_in_the_folder():
    programs = {
        path.stem for path in (ROOT / "stages").glob("*.py") if is_run_as_a_program(code_of(path.stem))
    }
    assert set(STAGES) == programs


def test_the_stages_of_the_ablation_and_of_own_data_are_the_programs_in_its_folder():
    folder = ROOT / "stages/ablation"
    programs = {
        f"ablation.{path.stem}"
        for path in folder.glob("*.py")
        if is_run_as_a_program(ast.parse(path.read_text()))
    }
    stages = [*ABLATION.items(), *OWN_DATA.items()]
    used = {definition(name, stated).program for name, stated in stages}
    assert programs == {program for program in used if program.startswith("ablation.")}


def test_all_students_are_run_and_all_tables_made():
    foreach = {name: stage["foreach"] for name, stage in STATED.items() if "foreach" in stage}
    assert foreach == {name: f"${{{kind}s}}" for name, kind in EACH.items()}


@pytest.mark.parametrize("name", [name for name in STAGES if name.startswith(TRAINING)])
def test_a_training_lists_no_code_that_it_does_not_import(name):
    listed = [ROOT / path for path in STAGES[name]["deps"] if is_code(path)]
    files = {file for path in listed for file in (path.rglob("*.py") if path.is_dir() else [path])}
    said = {path.relative_to(ROOT).as_posix() for path in files if ast.parse(path.read_text()).body[1:]}
    assert said <= set(code_files(name, ROOT))


def test_outputs_are_of_one_stage_each():
    paths = [
        path.replace(KEY, entry)
        for name, stage in STAGES.items()
        for path in outputs(stage)
        for entry in entries(name)
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
    made |= {f"ablation/{path}" for path in outputs(ABLATION["compare"])}
    made |= {path.rsplit("/", 1)[0] for path in made if path.startswith("results/teachers/")}
    made |= {"results/students", "${item.table}", "${item.detector}", "${item.teacher}"}
    data = [dependency for dependency in STAGES[name].get("deps", []) if not is_code(dependency)]
    assert set(data) <= made


def test_students_know_their_own_teachers_alone():
    """And the re-ID teacher only as a table."""
    deps = STAGES["train_student"]["deps"]
    assert [path for path in deps if path.startswith(("models/", "artifacts/"))] == []
    assert "pipeline/models/reid.py" not in deps
    assert "pipeline/inference" not in deps


@pytest.mark.parametrize("student", PARAMS["students"])
def test_every_student_names_teachers_that_there_are(student):
    stated = PARAMS["students"][student]
    common = merged({"network": PARAMS["network"]}, PARAMS["train_student"])
    check_teachers(parse_options(StudentOptions, merged(common, stated), student), student)
    assert stated["table"] in (*(str(table_file(table)) for table in PARAMS["tables"]), NO_TABLE)
    assert stated["detector"] in (str(DETECTOR), NO_DETECTOR)


def test_the_default_runs_table_is_the_re_id_teachers_where_the_contract_says():
    (table,) = PARAMS["tables"]
    assert STAGES["export_lut"]["outs"] == [f"artifacts/{KEY}.h5"]
    assert table_file(table) == TABLE == Path("artifacts/id_lut.h5")
    assert PARAMS["tables"][table]["teacher"] == str(REID)


@pytest.mark.parametrize("placeholder", [NO_TABLE, NO_DETECTOR])
def test_placeholders_are_committed(placeholder):
    listed = subprocess.run(
        ["git", "ls-files", placeholder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout.strip() == placeholder
    assert len((ROOT / placeholder).read_text().splitlines()) == 1


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


def test_the_lock_file_is_of_this_code():
    """Committed numbers come from the committed code: else `dvc repro`, and commit what it changed."""
    with Repo(str(ROOT)) as repo:
        code = [
            (stage.addressing, dep)
            for stage in repo.index.stages
            for dep in stage.deps
            if is_code(dep.def_path)
        ]
        assert len(code) > len(STAGES)
        assert [f"{stage}: {dep} is empty" for stage, dep in code if dep.meta.nfiles == 0] == []
        older = sorted({stage for stage, dep in code if dep.changed_checksum()})
        assert not older, (
            f"dvc.lock is of other code: run `dvc repro {' '.join(older)}`, commit what it changes"
        )


def test_the_lock_file_has_no_stage_that_is_gone():
    """DVC leaves what it recorded of a stage that was renamed; `dvc repro` never looks at it again."""
    there = {f"{name}@{entry}" if entry else name for name in STAGES for entry in entries(name)}
    assert set(yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]) <= there
