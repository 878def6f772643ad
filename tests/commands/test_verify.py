"""`person-search verify` in a project of two outputs, without a run of the pipeline."""

import hashlib

import pytest
from click.testing import CliRunner
from dvc.repo import Repo

from commands.main import main
from commands.verify import BRING

STAGES = """\
stages:
  make:
    cmd: make
    outs: [first.bin, second.bin]
    metrics: [kept.json: {cache: false}]
"""
FILES = ("first.bin", "second.bin", "kept.json")


@pytest.fixture
def verify(tmp_path, monkeypatch):
    """Return a call of `verify` in a project whose outputs are as dvc.lock says."""
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    lock = "schema: '2.0'\nstages:\n  make:\n    cmd: make\n    outs:\n"
    for name in FILES:
        (tmp_path / name).write_text(name)
        lock += f"    - {{path: {name}, hash: md5, md5: {hashlib.md5(name.encode()).hexdigest()}}}\n"
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "dvc.lock").write_text(lock)
    return lambda: CliRunner().invoke(main, ["verify"])


def test_all_is_here(verify):
    result = verify()
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 files of 3 outputs and 0 objects of DVC's cache: all as dvc.lock says\n"


def test_outputs_that_are_not_here_are_named_in_one_line_and_not_called_sound(verify, tmp_path):
    (tmp_path / "second.bin").unlink()
    result = verify()
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"not here, so not checked: 1 of 3 outputs (second.bin); {BRING}",
        "2 files of 2 outputs and 0 objects of DVC's cache: all as dvc.lock says; outputs not here: 1",
    ]
    (tmp_path / "first.bin").unlink()
    first, last = verify().stdout.splitlines()
    assert "2 of 3 outputs (first.bin, second.bin)" in first
    assert last.endswith("all as dvc.lock says; outputs not here: 2")


def test_what_is_not_here_does_not_hide_what_is_damaged(verify, tmp_path):
    (tmp_path / "second.bin").unlink()
    (tmp_path / "first.bin").write_text("other")
    result = verify()
    assert result.exit_code == 1
    assert "(second.bin)" in result.stdout
    assert result.stderr.startswith("Error: 1 of 2 files of 2 outputs")


def test_an_output_of_git_that_is_gone_is_damaged(verify, tmp_path):
    (tmp_path / "kept.json").unlink()
    result = verify()
    assert result.exit_code == 1
    assert "kept.json: gone, although git keeps it; `git checkout kept.json`" in result.stdout
