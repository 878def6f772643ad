"""Where runs came from: the commit, the machine, and how much has changed since."""

import json
import os
import subprocess

import pytest

from pipeline.reporting.comparison import origin
from pipeline.reporting.comparison.age import ablation_age
from pipeline.reporting.comparison.groups import Comparisons, Group, compare
from pipeline.reporting.comparison.origin import (
    UNKNOWN,
    code_commit,
    code_commits_since,
    cpu_model,
    file_commit,
)
from pipeline.reporting.comparison.run_file import ENVIRONMENT
from pipeline.reporting.comparison.text import comparison_tables, comparison_text
from tests.comparison.test_groups import CURVE, like, run_of

ENTRY = {"cpu": "A CPU", "instructions": "AVX2", "threads": 1, "python": "3.11", "torch": "2.14"}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a module, settings and a result, committed."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")
    root = tmp_path / "repository"
    for path in ("pipeline/a.py", "stages/b.py", "params.yaml", "ablation/result.json"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("1\n")
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root, *arguments):
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a state")
    return git(root, "rev-parse", "HEAD")


def change(root, path):
    (root / path).write_text((root / path).read_text() + "2\n")
    return commit(root)


def test_the_commit_of_the_code(repository):
    code, head = repository / "pipeline", git(repository, "rev-parse", "HEAD")
    assert code_commit(code) == head
    (repository / "ablation/result.json").write_text("another result")
    assert code_commit(code) == head
    for path in ("stages/new.py", "params.yaml", "pipeline/a.py"):
        (repository / path).write_text("changed")
        assert code_commit(code) == f"{head}+"
        commit(repository)
        head = git(repository, "rev-parse", "HEAD")
        assert code_commit(code) == head


def test_nobody_knows_the_commit_of_code_that_no_repository_has(repository, tmp_path, monkeypatch):
    assert code_commit(tmp_path) == UNKNOWN
    (repository / ".gitignore").write_text("installed\n")
    (repository / "installed/pipeline").mkdir(parents=True)
    (repository / "installed/pipeline/a.py").write_text("")
    assert code_commit(repository / "installed/pipeline") == UNKNOWN
    monkeypatch.setenv("PATH", "")
    assert code_commit(repository / "pipeline") == UNKNOWN


def test_the_commit_of_a_file(repository):
    path = repository / "ablation/result.json"
    first = git(repository, "rev-parse", "HEAD")
    change(repository, "pipeline/a.py")
    assert file_commit(path) == first
    second = change(repository, "ablation/result.json")
    assert file_commit(path) == second
    assert file_commit(path.with_name("never.json")) is None


def test_commits_of_code_are_counted(repository):
    first = git(repository, "rev-parse", "HEAD")
    change(repository, "pipeline/a.py")
    change(repository, "ablation/result.json")
    change(repository, "stages/b.py")
    assert code_commits_since(first, repository / "ablation") == 2
    assert code_commits_since(f"{first}+", repository / "ablation") == 2
    assert code_commits_since("0" * 40, repository) is None


def test_a_shallow_clone_tells_nothing(repository, tmp_path):
    first = git(repository, "rev-parse", "HEAD")
    change(repository, "pipeline/a.py")
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.as_uri(), "clone")
    assert file_commit(tmp_path / "clone/ablation/result.json") is None
    assert code_commits_since(first, tmp_path / "clone") is None


def test_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "CPU_INFO", tmp_path / "cpuinfo")
    assert cpu_model() == UNKNOWN
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU: fast\n\nmodel name\t: Another\n")
    assert cpu_model() == "A CPU: fast"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert cpu_model() == UNKNOWN


def compared(first, second, **commits):
    """The comparison of two students with these commits in their runs; None for none."""
    runs = {}
    for name, said in (("a/one", first), ("b/two", second)):
        environment = ENTRY | ({} if said is None else {"commit": said})
        runs[name] = {0: run_of(0.5, [0.5]) | {ENVIRONMENT: environment}}
    group = Group(title="t", against="a/one", against_is="x", students={"b/two": "y"})
    return compare(
        Comparisons(about="", groups=[group], trade_off=CURVE), runs.__getitem__, like, commits.get
    )


def test_students_of_one_origin_share_a_line():
    (single,) = comparison_tables(compared("1" * 40, "1" * 40))[-1].lines
    assert single == [
        "a: one; b: two",
        "1" * 10,
        "",
        "A CPU",
        "AVX2",
        "1",
        "3.11",
        "2.14",
        *["not recorded"] * 2,
    ]
    (_, dirty), (_, silent) = (
        (line[0], line[1:3])
        for line in comparison_tables(compared("1" * 40 + "+", None, **{"b/two": "2" * 40}))[-1].lines
    )
    assert dirty == ["1" * 10 + "+", ""]
    assert silent == ["not recorded", "2" * 10]
    assert "| a: one | 1111111111+ |" in comparison_text(compared("1" * 40 + "+", None))


def test_the_age(repository):
    path = repository / "ablation/comparison.json"
    assert ablation_age(path) is None
    first = git(repository, "rev-parse", "HEAD")
    second = change(repository, "pipeline/a.py")
    path.write_text(json.dumps(compared(f"{first}+", second)))
    assert ablation_age(path) == (
        "The ablation's committed results were made by code that is 0 to 1 commit older than the code here "
        "(counting commits that changed pipeline/ or stages/)."
    )
    change(repository, "stages/b.py")
    path.write_text(json.dumps(compared(None, None, **{"a/one": second, "b/two": second})))
    assert ablation_age(path) == (
        "The ablation's committed results were made by code that is 1 commit older than the code here "
        "(counting commits that changed pipeline/ or stages/; 2 students do not name theirs, so that of "
        "their results is taken)."
    )
    path.write_text(json.dumps(compared(UNKNOWN, None)))
    assert ablation_age(path) is None
    path.write_text("{")
    assert ablation_age(path) is None
