from pathlib import Path

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
    cmd: python -m stages.second --row ${item.row}
    matrix:
      row: [x, y]   # rows
    deps:
      # the data
      - data/a      # from first
      - pipeline/gone.py
      - models/b.h5
    params:
      - old
    outs:
      - data/${item.row}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "stages").mkdir()
    (tmp_path / "pipeline" / "b.py").write_text("")
    (tmp_path / "stages" / "first.py").write_text('PARAMS = ("first",)\nimport pipeline.b\n')
    (tmp_path / "stages" / "second.py").write_text('PARAMS = ("all", "rows.{row}")\n')
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
    assert stages["second"]["params"] == ["all", "rows.${item.row}"]
    for name, stage in stages.items():
        for key in stage.keys() - {"deps", "params"}:
            assert stage[key] == before[name][key]
    kept = [line for line in TEXT.splitlines() if "gone" not in line and "old" not in line]
    assert [line for line in new.splitlines() if line in kept or not line][: len(kept)]
    for line in kept:
        assert line in new.splitlines()


def test_a_package_that_is_imported_whole_is_one_dependency(project):
    package = project / "pipeline" / "shapes"
    (package / "round").mkdir(parents=True)
    for file in ("__init__.py", "square.py", "round/__init__.py", "round/circle.py"):
        (package / file).write_text("")
    imports = "import pipeline.b\nimport pipeline.shapes.square\n"
    first = project / "stages" / "first.py"
    first.write_text(imports)
    square_alone = [
        "pipeline/b.py",
        "pipeline/shapes/__init__.py",
        "pipeline/shapes/square.py",
        "stages/first.py",
    ]
    assert code_dependencies("first", project) == square_alone
    first.write_text(imports + "import pipeline.shapes.round.circle\n")
    assert code_dependencies("first", project) == ["pipeline/b.py", "pipeline/shapes", "stages/first.py"]
    (package / "new.py").write_text("")
    listed = code_dependencies("first", project)
    assert listed == sorted([*square_alone, "pipeline/shapes/round"])
    assert list(differences(rewritten(TEXT, project), project)) == []


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


def test_declared_params(project):
    assert declared_params("second", project) == ["all", "rows.{row}"]


BELOW = """\
stages:
  many:
    foreach:
      x: {table: a}
      y: {table: b}
    do:
      wdir: runs
      cmd: python -m stages.second --row ${key} --table ${item.table}
      deps:
        - data/a
        - ../../pipeline/gone.py
      outs:
        - results/${key}

  last:
    cmd: python -m stages.first
    deps:
      - runs/results/x
"""


def test_a_file_in_a_folder_looks_up_to_the_code(project):
    folder = Path("below")
    assert "many: deps lack ../../stages/second.py" in list(differences(BELOW, project, folder))
    new = rewritten(BELOW, project, folder)
    assert list(differences(new, project, folder)) == []
    stages = yaml.safe_load(new)["stages"]
    many = stages["many"]["do"]
    assert many["deps"] == ["data/a", "../../stages/second.py"]
    assert many["params"] == ["all", "rows.${key}"]
    assert many["outs"] == ["results/${key}"]
    assert stages["many"]["foreach"] == yaml.safe_load(BELOW)["stages"]["many"]["foreach"]
    assert stages["last"]["deps"] == ["runs/results/x", "../pipeline/b.py", "../stages/first.py"]


def test_below_the_root_no_folder_stands_for_its_files(project):
    """.dvcignore does not reach out of DVC's own root: compiled files in the folder would count."""
    package = project / "pipeline" / "shapes"
    package.mkdir()
    for file in ("__init__.py", "square.py"):
        (package / file).write_text("")
    (project / "stages" / "second.py").write_text("import pipeline.shapes.square\n")
    new = yaml.safe_load(rewritten(BELOW, project, Path("below")))["stages"]["many"]["do"]
    up = "../../"
    assert new["deps"] == [
        "data/a",
        f"{up}pipeline/shapes/__init__.py",
        f"{up}pipeline/shapes/square.py",
        f"{up}stages/second.py",
    ]


def test_command_checks_then_writes(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "ablation").mkdir()
    (project / "ablation" / "dvc.yaml").write_text(BELOW)
    assert CliRunner().invoke(main, ["--check"]).exit_code == 1
    assert (project / "dvc.yaml").read_text() == TEXT
    assert CliRunner().invoke(main, ["--write"]).exit_code == 0
    assert CliRunner().invoke(main, ["--check"]).exit_code == 0
    assert (project / "ablation" / "dvc.yaml").read_text() == rewritten(BELOW, project, Path("ablation"))
    assert CliRunner().invoke(main, []).exit_code == 2
