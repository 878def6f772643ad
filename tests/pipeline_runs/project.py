"""A copy of the project in a Git repository of its own, and DVC run in it as a user does."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.pipeline_runs.tiny_parameters import ROOT, tiny_parameters, write_parameters

NOT_COPIED = ("tests/", "results/", "dvc.lock")
"""Results and the lock file are left out, so that a copy starts from nothing."""

RUN = re.compile(r"^Running stage '(.+)':", re.MULTILINE)
SKIPPED = re.compile(r"^Stage '(.+)' didn't change, skipping", re.MULTILINE)
AUTHOR = {"NAME": "Tester", "EMAIL": "tester@example.org"}
FOREIGN = ("DVC_", "GIT_", "PYTHON", "PERSON_SEARCH_")
"""Beginnings of the variables that a copy must not inherit."""


PATIENCE = 90.0
"""Seconds after which what is waited for will not come."""


@dataclass(frozen=True)
class Repro:
    """What `dvc repro` did: the stages that it ran, in order, and those that it skipped."""

    ran: list[str]
    skipped: list[str]


@dataclass(frozen=True)
class Project:
    """A copy of the project at `root`, with DVC's own files outside it in `home`.

    Attributes:
        root: where it is.
        home: the folder of DVC's own files.
        warm: a folder of programs that start at once: see `tests.warm`. `run` takes them; `start`, whose
            processes are watched and killed, never does.
    """

    root: Path
    home: Path
    warm: Path | None = None

    def run(self, *command: str, exit_code: int = 0, **variables: str) -> str:
        """Run a command there, see its exit code, and return all that it said."""
        result = subprocess.run(
            command,
            cwd=self.root,
            env={**self._environment(self.warm), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == exit_code, result.stdout
        return result.stdout

    def start(self, *command: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a command there, in a process group of its own, and do not wait for it."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={**self._environment(), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def trainers(self) -> list[int]:
        """Return the processes that train there, those that load data included, lowest number first."""
        commands = self.processes()
        return [
            process
            for process, command in commands.items()
            if "stages.train_" in command and "dvc" not in command
        ]

    def processes(self) -> dict[int, str]:
        """Return the command of each process that runs there, lowest number first."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command, place = (folder / "cmdline").read_text(), (folder / "cwd").readlink()
            except OSError:
                continue
            if place == self.root:
                found[int(folder.name)] = command.replace("\0", " ")
        return dict(sorted(found.items()))

    def repro(self, *options: str) -> Repro:
        """Run `dvc repro`."""
        return repro_of(self.run("dvc", "repro", *options))

    def commit(self) -> None:
        """Commit everything to Git."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "a state of the project")

    def parameters(self) -> dict[str, Any]:
        """Return all of params.yaml."""
        values: dict[str, Any] = yaml.safe_load((self.root / "params.yaml").read_text())
        return values

    def set_parameter(self, path: str, value: Any) -> None:
        """Change one value of params.yaml; `a.b.c` is where it stands."""
        values = self.parameters()
        *above, key = path.split(".")
        section = values
        for name in above:
            section = section[name]
        assert section.get(key) != value
        section[key] = value
        write_parameters(self.root, values)

    def lock(self) -> str:
        """Return the lock file."""
        return (self.root / "dvc.lock").read_text()

    def copy(self, to: Path) -> "Project":
        """Copy everything, DVC's cache included."""
        shutil.copytree(self.root, to, symlinks=True)
        return replace(self, root=to)

    def clone(self, to: Path, remote: Path) -> "Project":
        """Clone the Git repository, as somebody else who has the same remote."""
        self.run("git", "clone", "--quiet", str(self.root), str(to))
        cloned = replace(self, root=to)
        cloned.use_remote(remote)
        return cloned

    def use_remote(self, folder: Path) -> None:
        """Let the default remote be a folder."""
        self.run("dvc", "remote", "modify", "--local", "storage", "url", str(folder))

    def _environment(self, first: Path | None = None) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        # As in the Makefile: `python` in dvc.yaml is the environment's.
        own = [str(folder) for folder in (first, Path(sys.executable).parent) if folder]
        programs = os.pathsep.join([*own, os.environ.get("PATH", "")])
        people = {f"GIT_{who}_{what}": AUTHOR[what] for who in ("AUTHOR", "COMMITTER") for what in AUTHOR}
        folders = ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")
        return {
            **inherited,
            **people,
            **{name: str(self.home / name) for name in folders},
            "PATH": programs,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PERSON_SEARCH_DEVICE": "cpu",
            "PERSON_SEARCH_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }


def wait_for(what: Callable[[], object]) -> None:
    """Wait until a call returns something that is true."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def repro_of(said: str) -> Repro:
    """Return what `dvc repro` or `dvc exp run` did from what it said."""
    return Repro(RUN.findall(said), SKIPPED.findall(said))


def new_project(root: Path, home: Path, warm: Path | None = None) -> Project:
    """Copy the working tree's files, as Git sees them, with tiny parameters, and commit them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and not name.startswith(NOT_COPIED) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    write_parameters(root, tiny_parameters())
    project = Project(root, home, warm)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.commit()
    return project
