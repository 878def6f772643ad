"""The tiny pipeline, run once by DVC from nothing and once without DVC."""

import contextlib
import shutil

import pytest
from filelock import FileLock

from tests.pipeline_runs.in_process import run_stage
from tests.pipeline_runs.project import Project, new_project
from tests.pipeline_runs.stage_graph import nodes
from tests.pipeline_runs.tiny_parameters import ROOT, tiny_parameters, write_parameters


def pytest_collection_modifyitems(items):
    """Put the tests that need `finished` first: one worker makes it while others run the rest."""
    items.sort(key=lambda item: "finished" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id, warm) -> Project:
    """A copy of the project in which `dvc repro` ran once, committed. Not to be changed.

    All workers of pytest-xdist share it: the first one to ask makes it, the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder, done = shared / "finished", shared / "done"
    project = Project(folder / "project", folder / "home", warm)
    with FileLock(shared / "finished.lock"):
        if not done.exists():
            project.home.mkdir(parents=True)
            new_project(project.root, project.home, warm).repro()
            project.commit()
            done.touch()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project, to be changed."""
    return finished.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder in which all stages but `report` ran in this process, in turn. Not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    write_parameters(folder, tiny_parameters())
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setenv("PERSON_SEARCH_DEVICE", "cpu")
        patch.setenv("PERSON_SEARCH_THREADS", "1")
        patch.setenv("PERSON_SEARCH_WORKERS", "0")
        for name, node in nodes().items():
            if name != "report":
                assert run_stage(node.command).exit_code == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """The current folder: a copy of what the stages made, to be damaged."""
    folder = tmp_path / "project"
    shutil.copytree(made, folder)
    shutil.copytree(ROOT / "ablation/results", folder / "ablation/results", dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    return folder
