"""Where networks run, and what makes runs repeatable. Only this module reads PERSON_SEARCH_DEVICE."""

import logging
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

import lightning_fabric
import numpy as np
import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.precision.amp import MixedPrecision
from lightning_fabric.plugins.precision.precision import Precision
from lightning_fabric.strategies.ddp import DDPStrategy

from pipeline.basics.environment_variables import CPU_THREADS, cpu_threads, whole_number
from pipeline.basics.errors import UserError
from pipeline.basics.launchers import Launch, forget_other_launchers, launch

LOG = logging.getLogger(__name__)
DEVICE_VARIABLE = "PERSON_SEARCH_DEVICE"
DEVICES_VARIABLE = "PERSON_SEARCH_DEVICES"
WORKERS_VARIABLE = "PERSON_SEARCH_WORKERS"
DETERMINISTIC_VARIABLE = "PERSON_SEARCH_DETERMINISTIC"
CHOICES = ("auto", "cpu", "cuda")
MOST_DEVICES = 1024
MOST_WORKERS = 64
"""Limits far above any use: a mistyped number must not overload the machine."""
DEFAULT_WORKERS = 8
"""At most, for a GPU; each loads 20 to 80 scenes a second, see `benchmarks/loading.py`."""


class Placement(NamedTuple):
    """Where a network runs.

    Attributes:
        device: `cpu` or `cuda`.
        devices: how many train together, over all machines.
        threads: of the CPU, in each process.
        deterministic: whether equal runs give equal bits.
    """

    device: str
    devices: int
    threads: int
    deterministic: bool


def placement() -> Placement:
    """Return where a network runs, by environment variables, since it does not change what a run means.

    `PERSON_SEARCH_DEVICE` is `auto` (the default), `cpu` or `cuda`. `PERSON_SEARCH_DEVICES` is the number of
    devices that train together (default 1). `PERSON_SEARCH_THREADS` is the number of threads on the CPU
    (default 2 on every machine, since the number changes the last bits of what is learned).
    `PERSON_SEARCH_DETERMINISTIC` is 0 or 1, whether equal runs on CUDA are to give equal bits (default 0; on
    the CPU they always do). Where `torchrun` or `srun` has started the processes, they say how many devices.

    Raises:
        UserError: a variable has an unusable value, or asks for what there is not.
    """
    device = os.environ.get(DEVICE_VARIABLE, "auto")
    if device not in CHOICES:
        raise UserError(f"{DEVICE_VARIABLE}={device}: it must be one of {', '.join(CHOICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{DEVICE_VARIABLE}=cuda, but PyTorch finds no CUDA device here; unset it or use cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = cpu_threads()
    wanted = whole_number(DETERMINISTIC_VARIABLE, 0, least=0, most=1)
    return Placement(device, _devices(device, launch()), threads, device == "cpu" or bool(wanted))


def _devices(device: str, launched: Launch) -> int:
    """Return how many devices train together. Raises `UserError` where there are not as many."""
    asked = whole_number(DEVICES_VARIABLE, 1, least=1, most=MOST_DEVICES)
    there = torch.cuda.device_count()
    if launched.launcher == "own":
        if device == "cuda" and asked > there:
            raise UserError(f"{DEVICES_VARIABLE}={asked}, but there are {there} CUDA devices")
        return asked
    if DEVICES_VARIABLE in os.environ and asked != launched.local_ranks:
        raise UserError(
            f"{DEVICES_VARIABLE}={asked}, but {launched.launcher} started {launched.local_ranks} processes "
            "on this machine; unset it"
        )
    if device == "cuda" and launched.local_ranks > there:
        raise UserError(
            f"{launched.launcher} started {launched.local_ranks} processes on this machine, and each sees "
            f"{there} CUDA devices; start one a device, and let each see all of them"
        )
    return launched.ranks


def make_fabric(precision: str = "32-true") -> lightning_fabric.Fabric:
    """Set up the devices of `placement`, and say in one line where things run.

    Args:
        precision: lightning-fabric's name: `32-true`, `bf16-mixed`, `16-mixed`.

    Raises:
        UserError: what `placement` raises.
    """
    place, launched = placement(), launch()
    forget_other_launchers()
    own = launched.launcher == "own"
    fabric = lightning_fabric.Fabric(
        accelerator=place.device,
        devices=place.devices if own else launched.local_ranks,
        num_nodes=1 if own else launched.ranks // launched.local_ranks,
        # Batch normalisation has the same statistics on all devices: see `training/engine/joint.py`.
        strategy=DDPStrategy(broadcast_buffers=False) if place.devices > 1 else "auto",
        plugins=[_environment(launched), _precision(precision, place.device)],
    )
    fabric.launch()
    if place.device == "cpu":
        torch.set_num_threads(place.threads)  # after fabric, which has its own idea for several processes
    if fabric.is_global_zero:
        _say_where(fabric.device, precision, place, launched)
    return fabric


def one_device() -> torch.device:
    """Set up one device for inference, and say in one line where it runs. Raises what `placement` raises."""
    place = placement()
    alone = place._replace(devices=1)
    if place.device == "cpu":
        torch.set_num_threads(place.threads)
        device = torch.device("cpu")
    else:
        device = torch.device("cuda", launch().local_rank)
    _say_where(device, "32-true", alone, Launch("own"))
    return device


def _environment(launched: Launch) -> ClusterEnvironment:
    """Say who has numbered the processes, even where variables of SLURM, LSF or MPI are left over."""
    if launched.launcher == "torchrun":
        return TorchElasticEnvironment()
    if launched.launcher == "slurm":
        # `srun -n 4` does not set it, and fabric insists on it.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(launched.local_ranks))
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


class _Autocast(MixedPrecision):
    """Mixed precision by autocast alone. Fabric's own would round boxes to bfloat16, by up to 3 pixels."""

    def convert_input(self, data: Any) -> Any:
        return data

    def convert_output(self, data: Any) -> Any:
        return data


def _precision(precision: str, device: str) -> Precision:
    return Precision() if precision == "32-true" else _Autocast(precision, device)  # type: ignore[arg-type]


def _say_where(device: torch.device, precision: str, place: Placement, launched: Launch) -> None:
    """Say in one line where things run, and warn of a GPU that is not used."""
    cuda = place.device == "cuda"
    threads = f"{place.threads} thread{'s' if place.threads > 1 else ''}"
    name = torch.cuda.get_device_name(device) if cuda else f"the CPU with {threads}"
    there = f" of {torch.cuda.device_count()}" if cuda and launched.launcher == "own" else ""
    devices = f"{place.devices}{there} device{'s' if place.devices > 1 else ''}"
    started = "" if launched.launcher == "own" else f", started by {launched.launcher}"
    bits = "" if place.deterministic else f"; {DETERMINISTIC_VARIABLE}=0: equal runs differ in last bits"
    LOG.info("on %s, %s, %s%s%s", name, precision, devices, started, bits)
    if (unused := _unused_gpu(place)) is not None:
        LOG.warning("%s", unused)


DRIVER = Path("/proc/driver/nvidia/version")


def _unused_gpu(place: Placement) -> str | None:
    """Return a line where there is a GPU that this PyTorch cannot use and nobody has asked for the CPU."""
    if place.device == "cuda" or os.environ.get(DEVICE_VARIABLE) == "cpu" or not DRIVER.exists():
        return None
    built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for the CPU alone"
    return (
        f"there is an NVIDIA GPU, but PyTorch {torch.__version__} cannot use it ({built}; see `nvidia-smi` "
        f"for what the driver supports). All runs on the CPU, many times slower; {DEVICE_VARIABLE}=cpu says "
        "that you want that"
    )


def wait_for_all() -> None:
    """Wait until all processes that train together are here; return at once where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def data_workers(least: int = 0) -> int:
    """Return the number of processes that load data; it does not change what is learned or found.

    `PERSON_SEARCH_WORKERS` sets it. The default with a GPU is what the cores have beside the process of each
    GPU, from 1 to 8. On the CPU it is 1, or `least` where the network needs all cores: with 0, the process of
    the network loads.

    Raises:
        UserError: the variable has an unusable value.
    """
    cores = len(os.sched_getaffinity(0))
    if os.environ.get(DEVICE_VARIABLE) != "cpu" and torch.cuda.is_available():
        default = min(max(cores // _sharing_cores() - 1, 1), DEFAULT_WORKERS)
    else:
        default = max(int(cores > CPU_THREADS), least)
    return whole_number(WORKERS_VARIABLE, default, least=0, most=MOST_WORKERS)


def _sharing_cores() -> int:
    """Return how many processes that drive a GPU share this one's cores. SLURM gives each task its own."""
    launched = launch()
    if launched.launcher == "own":
        return whole_number(DEVICES_VARIABLE, 1, least=1, most=MOST_DEVICES)
    return 1 if launched.launcher == "slurm" else launched.local_ranks


def seed_everything(seed: int) -> None:
    """Seed all generators, and use deterministic algorithms where `placement` says so.

    Raises:
        UserError: they are asked for on CUDA, and what they need is missing.
    """
    place = placement()
    if place.device == "cuda" and place.deterministic:
        _check_compiler()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    np.random.seed(seed)  # for libraries that use the old generator
    torch.use_deterministic_algorithms(place.deterministic, warn_only=True)
    # Filling new tensors costs an eighth of a training step, and no code here reads them unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Where activations die out, denormal numbers slow the CPU down by an order of magnitude.
    torch.set_flush_denormal(True)


def _check_compiler() -> None:
    """Raise `UserError` where torchvision could not compile its deterministic RoIAlign at the first step."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not any(shutil.which(name) for name in (os.environ.get("CC") or "cc", "gcc", "clang")):
        raise UserError(f"{DETERMINISTIC_VARIABLE}=1 needs a C compiler on CUDA; install gcc, or unset it")
    if not header.exists():
        raise UserError(
            f"{DETERMINISTIC_VARIABLE}=1 needs Python's headers on CUDA ({header}); install them, or unset it"
        )
