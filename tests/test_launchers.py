"""Variables of launchers that something left in the environment: a training neither obeys them nor waits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.basics.launchers import LAUNCHER_VARIABLES, STARTER_VARIABLE, forget_other_launchers, rank
from pipeline.devices import make_fabric
from tests.warm.programs import warm_programs

ROOT = Path(__file__).parents[1]
LEFT_OVER = {
    "a shell's": {"LOCAL_RANK": "0"},
    "empty": {"LOCAL_RANK": "", "RANK": "", "WORLD_SIZE": ""},
    "another rank": {"LOCAL_RANK": "1", "NODE_RANK": "3", "RANK": "7", "WORLD_SIZE": "8"},
    "an address": {"MASTER_ADDR": "10.255.255.1", "MASTER_PORT": "abc"},
    "torchrun's": {"TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4"},
    "SLURM's": {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
    "SLURM's, per node": {"SLURM_JOB_ID": "77", "SLURM_NTASKS_PER_NODE": "4", "SLURM_LOCALID": "2"},
    "LSF's": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "/nonexistent", "JSM_NAMESPACE_SIZE": "2"},
    "MPI's": {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "PMI_RANK": "1"},
}
PROGRAM = """
import stages
from pipeline.devices import make_fabric
fabric = make_fabric()
print(f"{fabric.global_rank} {fabric.world_size}\\n", end="", flush=True)
"""


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("name", LEFT_OVER)
def test_as_many_processes_as_asked_for_whatever_is_left_over(name, devices, tmp_path, warm):
    """Both are forked, and have these variables before fabric is imported."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {key: value for key, value in os.environ.items() if key != STARTER_VARIABLE}
    result = subprocess.run(
        [str(warm / "python"), str(program)],
        env=environment
        | LEFT_OVER[name]
        | {"PERSON_SEARCH_DEVICE": "cpu", "PERSON_SEARCH_DEVICES": str(devices), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stdout.splitlines() if line[:1].isdigit()]
    assert sorted(said) == [f"{number} {devices}" for number in range(devices)]


def test_what_the_starter_says_is_obeyed(monkeypatch):
    monkeypatch.setenv(STARTER_VARIABLE, str(os.getppid()))
    monkeypatch.setenv("LOCAL_RANK", "3")
    forget_other_launchers()
    assert rank() == 3


def test_what_others_say_is_forgotten(monkeypatch):
    monkeypatch.setenv(STARTER_VARIABLE, "1")
    for variable in LAUNCHER_VARIABLES:
        monkeypatch.setenv(variable, "5")
    forget_other_launchers()
    assert rank() == 0
    assert not set(LAUNCHER_VARIABLES) & set(os.environ)
    assert os.environ[STARTER_VARIABLE] == str(os.getpid())
    assert make_fabric().world_size == 1


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A folder of programs that start at once, below a shell that is called as SLURM's own program is."""
    folder = tmp_path_factory.mktemp("slurm")
    named = shutil.copy("/bin/bash", folder / "slurmstepd")
    with warm_programs(folder, below=[str(named), "-c", '"$@"; true', "-"]) as programs:
        yield programs


@pytest.fixture
def mpi(tmp_path):
    """The same with a shell that is called as MPI's is, and the environment's own Python, started cold."""
    folder = tmp_path / "mpi"
    folder.mkdir()
    script = f'#!{shutil.copy("/bin/bash", folder / "mpirun")}\n{sys.executable} "$@"; true\n'
    (folder / "python").write_text(script)
    (folder / "python").chmod(0o755)
    return folder


def said_by_tasks(programs, folder, *tasks):
    """Run a task for each of these variables, all at once; return the lines that they said."""
    (folder / "task.py").write_text(ONE_LINE)
    environment = {key: value for key, value in os.environ.items() if key != STARTER_VARIABLE}
    started = [
        subprocess.Popen(
            [str(programs / "python"), "task.py"],
            env=environment | {"PERSON_SEARCH_DEVICE": "cpu", "PYTHONPATH": str(ROOT), **variables},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for variables in tasks
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(tasks), said
    return "".join(said).splitlines()


ONE_LINE = """
import stages
from pipeline.basics.errors import UserError
try:
    from pipeline.devices import make_fabric
    fabric = make_fabric()
    print(f"{fabric.global_rank} {fabric.world_size}\\n", end="", flush=True)
except UserError as error:
    print(error, flush=True)
"""
STEP = {
    "SLURM_JOB_ID": "77",
    "SLURM_NTASKS": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODELIST": "127.0.0.1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2",
    "SLURM_NODEID": "0",
}
FIRST, SECOND = (STEP | {"SLURM_PROCID": number, "SLURM_LOCALID": number} for number in "01")


def test_tasks_of_srun_train_together(slurm, tmp_path):
    said = said_by_tasks(slurm, tmp_path, FIRST, SECOND)
    assert sorted(line for line in said if line[:1].isdigit()) == ["0 2", "1 2"], said


def test_a_batch_script_without_srun_trains_alone(slurm, tmp_path):
    script = {key: value for key, value in FIRST.items() if "STEP" not in key}
    assert "0 1" in said_by_tasks(slurm, tmp_path, script)


@pytest.mark.parametrize(
    ("program", "variables", "line"),
    [
        ("slurm", FIRST | {"DVC_STAGE": "x"}, "srun started `dvc repro` 2 times; start it once"),
        ("slurm", FIRST | {"SLURM_STEP_TASKS_PER_NODE": "2,1"}, "srun started 2,1 tasks on its machines"),
        ("slurm", FIRST | {"PERSON_SEARCH_DEVICES": "4"}, "PERSON_SEARCH_DEVICES=4, but slurm started 2"),
        ("mpi", {"OMPI_COMM_WORLD_SIZE": "2"}, "MPI started 2 processes, which would not know of one"),
    ],
)
def test_what_would_not_train_together_is_refused(program, variables, line, tmp_path, request):
    (said,) = said_by_tasks(request.getfixturevalue(program), tmp_path, variables)
    assert said.startswith(line), said
