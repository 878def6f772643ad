"""A dvc.lock that two branches changed, or that is torn: what docs/trust.md says mends it.

The stages are small ones of a repository with this project's own settings of Git and DVC.
"""

import shutil

import pytest

from tests.pipeline_runs.project import Project
from tests.pipeline_runs.tiny_parameters import ROOT

STAGES = """\
stages:
  left:
    cmd: echo left ${left} > left.txt && echo ${left} > left.json
    params: [left]
    outs: [left.txt]
    metrics: [{left.json: {cache: false}}]
  right:
    cmd: echo right ${right} > right.txt
    params: [right]
    outs: [right.txt]
  both:
    cmd: cat left.txt right.txt > both.txt
    deps: [left.txt, right.txt]
    metrics: [{both.txt: {cache: false}}]
"""


@pytest.fixture
def branches(tmp_path):
    """A repository whose branches `a` and `b` changed a parameter each and ran what depends on it."""
    root, home = tmp_path / "project", tmp_path / "home"
    home.mkdir()
    (root / ".dvc").mkdir(parents=True)
    shutil.copyfile(ROOT / ".gitattributes", root / ".gitattributes")
    for name in ("config", ".gitignore"):
        shutil.copyfile(ROOT / ".dvc" / name, root / ".dvc" / name)
    (root / "dvc.yaml").write_text(STAGES)
    project = Project(root, home)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    for branch, changes in (("main", {}), ("a", {"left": 2}), ("b", {"right": 3})):
        project.run("git", "checkout", "--quiet", "main", exit_code=0 if branch != "main" else 1)
        if branch != "main":
            project.run("git", "checkout", "--quiet", "-b", branch)
        values = {"left": 1, "right": 1} | changes
        (root / "params.yaml").write_text(
            "".join(f"{name}: {value}\n\n\n\n" for name, value in values.items())
        )
        project.repro()
        project.commit()
    return project


def test_a_merge_stops_and_is_mended_by_running_what_never_ran(branches):
    said = branches.run("git", "merge", "a", exit_code=1)
    assert "CONFLICT" in said
    assert "dvc.lock" in said
    assert "<<<<" not in branches.lock()
    (branches.root / "dvc.lock").unlink()
    done = branches.repro()
    assert done.ran == ["both"]
    assert (branches.root / "both.txt").read_text() == "left 2\nright 3\n"
    branches.commit()
    assert branches.repro().ran == []
    assert branches.run("git", "status", "--short") == ""


def test_half_a_lock_file_is_mended_without_running_anything(branches):
    """DVC writes it in place; a kill in that moment tears it."""
    branches.set_parameter("left", 7)
    assert branches.repro().ran == ["left", "both"]
    lock = branches.root / "dvc.lock"
    lock.write_text(lock.read_text()[: lock.read_text().rindex("path:") + len("path:")])
    branches.run("dvc", "repro", exit_code=255)
    branches.run("git", "checkout", "dvc.lock")
    assert branches.repro().ran == []
    assert (branches.root / "both.txt").read_text() == "left 7\nright 3\n"
