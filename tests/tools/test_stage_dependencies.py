"""The lists of code and params in a dvc.yaml, of a project that a test writes."""

import pytest
import yaml
from click.testing import CliRunner

from tools.stage_dependencies import code_dependencies, declared_params, differences, main, rewritten

TEXT = """\
# the whole pipeline
stages:
  first:
    desc: has neither list
    cmd: python -m stages.first
    outs:
      - data/a

  second:
    cmd: python -m stages.second --student ${item.student}
    matrix:
      student: [x, y]   # students
    deps:
      # the data
      - data/a      # from first
      - pipeline/gone.py
      - models/b.h5
    params:
      - old
    outs:
      - data/${item.student}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "stages").mkdir()
    for package in ("pipeline", "stages"):
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "pipeline" / "b.py").write_text("")
    (tmp_path / "stages" / "first.py").write_text('PARAMS = ("first",)\nimport pipeline.b\n')
    (tmp_path / "stages" / "second.py").write_text('PARAMS = ("all", "students.{student}")\n')
    (tmp_path / "dvc.yaml").write_text(TEXT)
    return tmp_path


def test_rewriting_leaves_no_difference_and_is_stable(project):
    new = rewritten(TEXT, project)
    assert list(differences(new, project)) == []
    assert rewritten(new, project) == new


def test_rewriting_changes_nothing_else(project):
    new = rewritten(TEXT, project)
    stages, before = yaml.safe_load(new)["stages"], yaml.safe_load(TEXT)["stages"]
    assert list(stages["first"]) == ["desc", "cmd", "deps", "params", "outs"]
    assert stages["first"]["deps"] == ["pipeline/b.py", "stages/first.py"]
    assert stages["second"]["deps"] == ["data/a", "models/b.h5", "stages/second.py"]
    assert stages["second"]["params"] == ["all", "students.${item.student}"]
    for name, stage in stages.items():
        for key in stage.keys() - {"deps", "params"}:
            assert stage[key] == before[name][key]
    kept = [line for line in TEXT.splitlines() if "gone" not in line and "old" not in line]
    assert [line for line in new.splitlines() if line in kept or not line][: len(kept)]
    for line in kept:
        assert line in new.splitlines()


@pytest.fixture
def shapes(project):
    """A project with a package of a package, and what each stage imports of it."""
    package = project / "pipeline" / "shapes"
    (package / "round").mkdir(parents=True)
    for file in ("__init__.py", "square.py", "round/__init__.py", "round/circle.py"):
        (package / file).write_text('"""Nothing but a docstring."""\n')
    (package / "square.py").write_text("x = 1\n")
    (package / "round/circle.py").write_text("x = 1\n")
    (project / "stages" / "first.py").write_text("import pipeline.shapes.square\n")
    (project / "stages" / "train_a.py").write_text("import pipeline.shapes.square\n")
    (project / "stages" / "train_b.py").write_text(
        "import pipeline.shapes.square\nimport pipeline.shapes.round.circle\n"
    )
    return project


def test_a_training_lists_a_package_where_it_imports_all_of_it(shapes):
    assert code_dependencies("train_a", shapes) == ["pipeline/shapes/square.py", "stages/train_a.py"]
    assert code_dependencies("train_b", shapes) == ["pipeline/shapes", "stages/train_b.py"]
    (shapes / "pipeline/shapes/new.py").write_text("")
    assert code_dependencies("train_b", shapes) == [
        "pipeline/shapes/round",
        "pipeline/shapes/square.py",
        "stages/train_b.py",
    ]


def test_another_stage_lists_a_package_where_it_imports_any_of_it(shapes):
    assert code_dependencies("first", shapes) == ["pipeline/shapes", "stages/first.py"]
    assert list(differences(rewritten(TEXT, shapes), shapes)) == []


def test_a_package_with_code_of_its_own_is_a_dependency(shapes):
    (shapes / "pipeline/shapes/__init__.py").write_text("x = 1\n")
    assert code_dependencies("train_a", shapes) == [
        "pipeline/shapes/__init__.py",
        "pipeline/shapes/square.py",
        "stages/train_a.py",
    ]


def test_a_modules_template_is_a_dependency(project):
    (project / "pipeline" / "b.html").write_text("")
    assert code_dependencies("first", project) == ["pipeline/b.html", "pipeline/b.py", "stages/first.py"]


def test_a_stage_that_reads_no_params_has_no_list(project):
    (project / "stages" / "second.py").write_text("")
    new = rewritten(TEXT, project)
    assert "params" not in yaml.safe_load(new)["stages"]["second"]
    assert list(differences(new, project)) == []


def test_differences_name_what_is_missing_and_too_much(project):
    lines = list(differences(TEXT, project))
    assert "first: deps lack pipeline/b.py, stages/first.py" in lines
    assert "second: deps have pipeline/gone.py too many" in lines
    assert "second: params have old too many" in lines


def test_a_stage_without_a_file_is_named_and_left_alone(project):
    (project / "stages" / "first.py").unlink()
    assert "first: there is no stages/first.py" in list(differences(TEXT, project))
    assert "deps" not in yaml.safe_load(rewritten(TEXT, project))["stages"]["first"]


def test_params_of_a_tables_entry(project):
    (project / "stages" / "second.py").write_text('PARAMS = ("all", "tables.{table}")\n')
    text = TEXT.replace("--student ${item.student}", "--table ${key}")
    stages = yaml.safe_load(rewritten(text, project))["stages"]
    assert stages["second"]["params"] == ["all", "tables.${key}"]


def test_declared_params(project):
    assert declared_params("second", project) == ["all", "students.{student}"]


def test_command_checks_then_writes(project, monkeypatch):
    monkeypatch.chdir(project)
    assert CliRunner().invoke(main, ["--check"]).exit_code == 1
    assert (project / "dvc.yaml").read_text() == TEXT
    assert CliRunner().invoke(main, ["--write"]).exit_code == 0
    assert CliRunner().invoke(main, ["--check"]).exit_code == 0
    assert (project / "dvc.yaml").read_text() == rewritten(TEXT, project)
    assert CliRunner().invoke(main, []).exit_code == 2
