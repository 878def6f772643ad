"""The stages run in the test's own process, in the order of the pipeline, without DVC."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from click.testing import CliRunner, Result

PROGRESS = re.compile(r"[\w@.-]+: \d+/\d+, \d+ s left  .*|on the CPU with (?:1 thread|\d+ threads), .*")
"""What a stage says meanwhile: how far it is, and before that, where it runs."""


def run_stage(command: str) -> Result:
    """Run a stage in the current folder, as `python -m stages.NAME OPTIONS` or `NAME OPTIONS`."""
    name, *options = command.removeprefix("python -m stages.").split()
    return CliRunner().invoke(import_module(f"stages.{name}").main, options, catch_exceptions=False)


def refused(folder: Path, command: str) -> str:
    """Run a stage in the current folder that must refuse its input.

    It says so in one line, behind a list of all faults where there are several, progress aside. It exits with
    code 2 and leaves every file of the folder as it was: an old output is still there, and nothing new, but
    for the checkpoints that a training goes on from.

    Returns:
        The one line.
    """
    before = contents(folder)
    result = run_stage(command)
    lines = [line for line in result.stderr.splitlines() if not PROGRESS.fullmatch(line)]
    if len(lines) > 1:
        assert all(line.startswith("  ") for line in lines[:-1]), result.stderr
        assert "listed above" in lines[-1]
        del lines[:-1]
    assert result.exit_code == 2, result.output
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    assert not result.stdout
    assert contents(folder) == before
    return lines[0]


def contents(folder: Path) -> Mapping[str, bytes]:
    """Return every file below a folder, hidden ones included, but checkpoints."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "checkpoints"
    }
