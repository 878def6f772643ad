"""Which code and which machine a student's runs came from."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.reporting.comparison.run_file import COMMIT, CPU, ENVIRONMENT

CODE = ("pipeline", "stages")
"""The folders of the code that runs come from, below the top of the repository."""
SETTINGS = ":(top,glob)**/params.yaml"
UNKNOWN = "unknown"
CHANGED = "+"
"""Stands behind a commit whose code or settings were changed and not committed."""
FILE_COMMIT = "file_commit"
STUDENTS = "students"
CPU_INFO = Path("/proc/cpuinfo")
RECORDED = (
    COMMIT,
    CPU,
    "device",
    "instructions",
    "threads",
    "python",
    "torch",
    "torchvision",
    "lightning_fabric",
    "numpy",
)
"""What `run_origins` takes from the environment of a run."""


def origin() -> dict[str, str]:
    """Return the commit of the code that runs here, and the model of the CPU; `UNKNOWN` where nobody says."""
    return {COMMIT: code_commit(Path(__file__).parent), CPU: cpu_model()}


def code_commit(folder: Path) -> str:
    """Return the commit of the repository that tracks a folder of the code.

    Returns:
        40 hexadecimal digits, with `CHANGED` behind them where code or settings differ from that commit;
        `UNKNOWN` without Git, or where no repository tracks the folder.
    """
    tracked, commit = _git(folder, "ls-files", "--", "."), _git(folder, "rev-parse", "HEAD")
    if not tracked or commit is None:
        return UNKNOWN
    changed = _git(folder, "status", "--porcelain", "--", *_code(), SETTINGS)
    return commit + (CHANGED if changed else "")


def cpu_model() -> str:
    """Return what Linux calls the CPU; `UNKNOWN` on a system or CPU that does not say."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return UNKNOWN
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, UNKNOWN)


def file_commit(path: Path) -> str | None:
    """Return the last commit that changed a file, 40 hexadecimal digits.

    Returns:
        None where Git cannot tell: no repository, a shallow clone, a file that was never committed.
    """
    if _git(path.parent, "rev-parse", "--is-shallow-repository") != "false":
        return None
    return _git(path.parent, "log", "-1", "--format=%H", "--", path.name) or None


def code_commits_since(commit: str, folder: Path) -> int | None:
    """Return how many commits since one have touched the code; None where Git cannot tell.

    Args:
        commit: as `code_commit` or `file_commit` return it.
        folder: in the repository.
    """
    commits = f"{commit.removesuffix(CHANGED)}..HEAD"
    if _git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return None
    counted = _git(folder, "rev-list", "--count", commits, "--", *_code())
    return None if counted is None else int(counted)


def run_origins(
    runs_of_students: Mapping[str, Sequence[Mapping[str, Any]]], file_commit_of: Callable[[str], str | None]
) -> list[dict[str, Any]]:
    """Return where runs came from, each origin once.

    Args:
        runs_of_students: the runs of each student.
        file_commit_of: called with a student whose runs do not say their commit; the commit of their file.

    Returns:
        For each origin the names of its `STUDENTS`, `FILE_COMMIT`, and all of `RECORDED`: a text, or None
        where a run does not say it. Where runs of a student differ, the text names all that they say.
    """
    found: dict[tuple[str | None, ...], list[str]] = {}
    for name, runs in runs_of_students.items():
        environments = [run.get(ENVIRONMENT, {}) for run in runs]
        said = [_said(environments, key) for key in RECORDED]
        committed = None if said[RECORDED.index(COMMIT)] else file_commit_of(name)
        found.setdefault((committed, *said), []).append(name)
    keys = (FILE_COMMIT, *RECORDED)
    return [{STUDENTS: names, **dict(zip(keys, said, strict=True))} for said, names in found.items()]


def _said(environments: Sequence[Mapping[str, Any]], key: str) -> str | None:
    values = {str(environment[key]) for environment in environments if key in environment}
    return ", ".join(sorted(values)) or None


def _code() -> list[str]:
    return [f":(top){folder}" for folder in CODE]


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what a Git command in a folder prints; None where it fails or there is no Git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
