import re

import pytest

from pipeline.basics.errors import UserError
from stages.support.parameters import Parameters, read_parameters

TEXT = "infer: {batch_size: 4}\nstudents:\n  a: {identity: {}}\n  b: {}\ntables: {t: {kind: crops}}\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


def test_gives_what_is_declared(path):
    parameters = Parameters(("infer", "students.{student}"), path, student="a")
    assert parameters.section("infer") == {"batch_size": 4}
    assert parameters.section("students.a") == {"identity": {}}


def test_gives_the_entry_of_a_table_alone(path):
    parameters = Parameters(("tables.{table}",), path, table="t")
    assert parameters.section("tables.t") == {"kind": "crops"}
    with pytest.raises(LookupError, match="PARAMS"):
        parameters.section("students.a")


@pytest.mark.parametrize(
    ("stated", "students", "tables"),
    [
        ("infer: {}", {"a", "b"}, {"t"}),
        ("students: {c: {}}", {"c"}, {"t"}),
        ("tables: {u: {}}", {"a", "b"}, {"u"}),
        ("students: {}\ntables: {}", set(), set()),
    ],
)
def test_a_file_that_has_entries_has_only_its_own(path, stated, students, tables):
    other = path.with_name("other.yaml")
    other.write_text(f"extends: params.yaml\n{stated}\n")
    values = read_parameters(other)
    assert (set(values["students"]), set(values["tables"])) == (students, tables)
    assert "infer" in values


def test_a_file_that_extends_what_there_is_not(path):
    other = path.with_name("other.yaml")
    other.write_text("extends: nosuch.yaml\n")
    missing = re.escape(f"{other}: extends: there is no file {path.with_name('nosuch.yaml')}")
    with pytest.raises(UserError, match=missing):
        read_parameters(other)


def test_a_file_that_extends_a_folder(path):
    other = path.with_name("other.yaml")
    other.write_text("extends: .\n")
    with pytest.raises(UserError, match=r"extends: .* is a folder; name the file in it"):
        read_parameters(other)


@pytest.mark.parametrize("name", ["evaluate", "students", "students.b", "students.a.identity"])
def test_nothing_else_can_be_read(path, name):
    with pytest.raises(LookupError, match="PARAMS"):
        Parameters(("infer", "students.{student}"), path, student="a").section(name)


def test_missing_section(path):
    with pytest.raises(UserError, match="section 'evaluate' is missing"):
        Parameters(("evaluate",), path).section("evaluate")


@pytest.mark.parametrize("name", ["c", "a.identity", ""])
def test_a_student_that_there_is_not(path, name):
    with pytest.raises(UserError) as error:
        Parameters(("students.{student}",), path, student=name).section(f"students.{name}")
    assert str(error.value) == f"{path}: no student '{name}'; it has a, b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("students: {}", "no student 'c'; 'students' names none, add an entry"),
        ("infer: {}", "section 'students' is missing"),
        ("students: 5", "section 'students' is missing"),
    ],
)
def test_where_there_are_no_students(path, text, said):
    path.write_text(text)
    for read in (
        lambda: Parameters(("students.{student}",), path, student="c").section("students.c"),
        lambda: Parameters((), path).check_student("c", path.with_name("none")),
    ):
        with pytest.raises(UserError) as error:
            read()
        assert str(error.value) == f"{path}: {said}"


def test_a_student_without_an_entry_needs_its_file(path):
    parameters = Parameters((), path)
    parameters.check_student("a", path.with_name("none"))
    parameters.check_student("trained_under_another_name", path)
    with pytest.raises(UserError, match="no student 'c'; it has a, b"):
        parameters.check_student("c", path.with_name("none"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("infer: [", "no valid YAML"),
        ("infer: 2024-13-45", "no valid YAML"),
        ("infer: &a {batch_size: *a}", "no valid YAML: Circular reference"),
        ("- 1", "must hold sections"),
        ("infre: {}", "unknown section 'infre'"),
        ("infer: 3", "must be a section, got 3"),
    ],
)
def test_bad_files(path, text, message):
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        Parameters(("infer",), path).section("infer")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="root"):
        Parameters((), tmp_path / "params.yaml")
