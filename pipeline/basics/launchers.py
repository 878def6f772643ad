"""How the processes that train together were started, whatever variables of other launchers say.

A training on several devices of one machine starts its other processes itself. `torchrun` and SLURM's `srun`
may start them too, on several machines. All of them number processes by variables, and a shell, a container
or a batch system may have such variables left over. If they were obeyed, a single process would wait for
others that nobody starts. So a launcher counts only where it is above this process.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from pipeline.basics.errors import UserError

STARTER_VARIABLE = "PERSON_SEARCH_STARTED_BY"
"""The number of the process that starts the others; they inherit it."""
LAUNCHER_VARIABLES = (
    "LOCAL_RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""The variables by which a launcher tells its processes their ranks."""
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""By which `torchrun` numbers processes: rank, number of all, and both on this machine."""
SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE")
MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
ELASTIC_RUN = "TORCHELASTIC_RUN_ID"
TORCHRUN_PROGRAMS = ("torchrun", "torch.distributed.run", "torch.distributed.launch")
SLURM_PROGRAMS = ("slurmstepd",)
MPI_PROGRAMS = ("mpirun", "mpiexec", "orterun", "prterun", "orted", "prted", "hydra_pmi_proxy")
DVC_VARIABLE = "DVC_STAGE"
"""DVC sets it for the commands that it runs."""


class Launch(NamedTuple):
    """How this process was started.

    Attributes:
        launcher: `own`, where a training starts its other processes itself, or what has started them all.
        rank: of this process among all that train together.
        ranks: how many these are; 1 with `own`, which does not know yet.
        local_rank: of this process among those on this machine.
        local_ranks: how many these are; 1 with `own`.
    """

    launcher: Literal["own", "torchrun", "slurm"]
    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    local_ranks: int = 1


def launch() -> Launch:
    """Return how this process was started.

    Raises:
        UserError: a launcher has started several processes in a way that they cannot train together.
    """
    if _is_started_by_another():
        return Launch("own", rank=int(os.environ["LOCAL_RANK"]), local_rank=int(os.environ["LOCAL_RANK"]))
    launched = _torchrun() or _slurm() or Launch("own")
    _refuse_mpi()
    if launched.ranks % launched.local_ranks:
        raise UserError(
            f"{launched.launcher} started {launched.ranks} processes, {launched.local_ranks} of them on this "
            "machine; start as many on each"
        )
    return launched


def forget_other_launchers() -> None:
    """Drop the variables of launchers, unless what has set them has started this process.

    It must be called before lightning-fabric is imported, because its import reads some of them. Later calls
    do nothing: by then, the variables may be those of this process, for the others that it has started.
    """
    if os.environ.get(STARTER_VARIABLE) == str(os.getpid()):
        return
    if _is_started_by_another() or _numbers(TORCHRUN, ELASTIC_RUN, TORCHRUN_PROGRAMS):
        return
    for variable in LAUNCHER_VARIABLES:
        os.environ.pop(variable, None)
    os.environ[STARTER_VARIABLE] = str(os.getpid())


def rank() -> int:
    """Return the rank of this process among those that train together; `launch` says what is raised."""
    return launch().rank


def _is_started_by_another() -> bool:
    return "LOCAL_RANK" in os.environ and os.environ.get(STARTER_VARIABLE) == str(os.getppid())


def _torchrun() -> Launch | None:
    numbers = _numbers(TORCHRUN, ELASTIC_RUN, TORCHRUN_PROGRAMS)
    if numbers is None:
        return None
    _refuse_repro("torchrun", numbers[1], TORCHRUN_PROGRAMS)
    return Launch("torchrun", *numbers)


def _slurm() -> Launch | None:
    """Return the numbers of a step's task. A script's shell, or a step of one task, is no launch."""
    per_node = os.environ.get(SLURM[-1], "")
    numbers = _numbers(SLURM[:-1], SLURM[-1], SLURM_PROGRAMS)
    if numbers is None or numbers[1] < 2:
        return None
    _refuse_repro("srun", numbers[1], SLURM_PROGRAMS)
    # "4", or "4(x2)" for two machines with four tasks each, or "4,3" where they differ.
    local = "" if "," in per_node else per_node.partition("(")[0]
    if not local.isdecimal():
        raise UserError(f"srun started {per_node} tasks on its machines; start as many on each")
    number, all_tasks, local_number = numbers
    return Launch("slurm", number, all_tasks, local_number, int(local))


def _refuse_mpi() -> None:
    for size in MPI_SIZES:
        if os.environ.get(size, "").isdecimal() and int(os.environ[size]) > 1 and _above(MPI_PROGRAMS):
            raise UserError(
                f"MPI started {os.environ[size]} processes, which would not know of one another; start them "
                "with torchrun or srun, or one process with PERSON_SEARCH_DEVICES"
            )


def _refuse_repro(launcher: str, ranks: int, programs: Iterable[str]) -> None:
    """Raise `UserError` where a launcher has started several DVCs, and not DVC the launcher."""
    above = _above(programs)
    if ranks > 1 and DVC_VARIABLE in os.environ and above and not _runs_in_dvc(above):
        raise UserError(
            f"{launcher} started `dvc repro` {ranks} times; start it once, with PERSON_SEARCH_DEVICES for "
            f"several devices of one machine, or start the stage itself with {launcher}"
        )


def _numbers(variables: Iterable[str], sign: str, programs: Iterable[str]) -> tuple[int, ...] | None:
    """Return a launcher's numbers, or None where it has not started this process.

    Args:
        variables: that hold the numbers.
        sign: a variable that only this launcher sets.
        programs: what it is called.
    """
    values = [os.environ.get(variable, "") for variable in variables]
    if sign not in os.environ or not all(value.isdecimal() for value in values) or not _above(programs):
        return None
    return tuple(int(value) for value in values)


def _above(programs: Iterable[str]) -> psutil.Process | None:
    """Return the nearest process above this one that runs one of some programs; None without."""
    for process in psutil.Process().parents():
        try:
            names = [process.name(), *(Path(word).name for word in process.cmdline()[:4])]
        except psutil.Error:  # it went while we looked, or is not ours to look at
            continue
        if any(name in programs for name in names):
            return process
    return None


def _runs_in_dvc(process: psutil.Process) -> bool:
    try:
        return DVC_VARIABLE in process.environ()
    except psutil.Error:
        return False
