"""The digests of programs' code, which the ablation's stages depend on."""

import pytest
from click.testing import CliRunner

from tools.code_digests import code_digest, main, programs

PROGRAM = '\nif __name__ == "__main__":\n    main()\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    files = {
        "pipeline/__init__.py": "",
        "pipeline/b.py": "",
        "pipeline/c.py": "",
        "stages/__init__.py": "",
        "stages/first.py": "import pipeline.b\n" + PROGRAM,
        "stages/more/__init__.py": '"""More."""\n',
        "stages/more/second.py": "import pipeline.c\n" + PROGRAM,
        "stages/more/tables.py": "",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(project):
    assert CliRunner().invoke(main, ["--out", "code"], catch_exceptions=False).exit_code == 0
    return {path.name: path.read_text() for path in (project / "code").iterdir()}


def test_one_a_program(project):
    assert programs(project) == ["first", "more.second"]
    assert written(project) == {name: code_digest(name, project) + "\n" for name in programs(project)}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("pipeline/b.py", {"first"}),
        ("pipeline/c.py", {"more.second"}),
        ("stages/more/second.py", {"more.second"}),
        ("stages/more/tables.py", set()),
    ],
)
def test_it_changes_with_the_code_of_its_program_alone(project, path, changed):
    before = written(project)
    (project / path).write_text((project / path).read_text() + "x = 1\n")
    after = written(project)
    assert {name for name in before if before[name] != after[name]} == changed


def test_compiled_files_change_nothing(project):
    before = written(project)
    (project / "pipeline/__pycache__").mkdir()
    (project / "pipeline/__pycache__/b.cpython-311.pyc").write_bytes(b"x")
    assert written(project) == before


def test_a_module_of_another_name_is_other_code(project):
    before = written(project)
    (project / "pipeline/b.py").rename(project / "pipeline/d.py")
    (project / "stages/first.py").write_text("import pipeline.d\n" + PROGRAM)
    assert written(project)["first"] != before["first"]
