"""Where networks run, and the settings that make runs repeatable. Only this module reads the environment."""

import os
from typing import NamedTuple

import lightning_fabric
import numpy as np
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from pipeline.basics.environment_variables import whole_number
from pipeline.basics.errors import UserError
from pipeline.basics.launchers import forget_other_launchers

DEVICE_VARIABLE = "PERSON_SEARCH_DEVICE"
DEVICES_VARIABLE = "PERSON_SEARCH_DEVICES"
WORKERS_VARIABLE = "PERSON_SEARCH_WORKERS"
THREADS_VARIABLE = "PERSON_SEARCH_THREADS"
CHOICES = ("auto", "cpu", "cuda")
CPU_THREADS = 2
"""The default; see `placement`."""
MOST_THREADS = MOST_DEVICES = 1024
MOST_WORKERS = 64
"""Limits far above any use: a mistyped number must not overload the machine."""


class Placement(NamedTuple):
    """Where a network runs: `device`, cpu or cuda; the number of `devices`; the number of CPU `threads`."""

    device: str
    devices: int
    threads: int


def placement() -> Placement:
    """Return where a network runs, by environment variables, since it does not change what a run means.

    `PERSON_SEARCH_DEVICE` is `auto` (the default), `cpu` or `cuda`. `PERSON_SEARCH_DEVICES` is the number of
    devices that train together (default 1). `PERSON_SEARCH_THREADS` is the number of threads on the CPU
    (default 2 on every machine, since the number changes the last bits of what is learned).

    Raises:
        UserError: a variable has an unusable value, or asks for `cuda` where there is none.
    """
    device = os.environ.get(DEVICE_VARIABLE, "auto")
    if device not in CHOICES:
        raise UserError(f"{DEVICE_VARIABLE}={device}: it must be one of {', '.join(CHOICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{DEVICE_VARIABLE}=cuda, but PyTorch finds no CUDA device here; unset it or use cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    devices = whole_number(DEVICES_VARIABLE, 1, least=1, most=MOST_DEVICES)
    if device == "cuda" and devices > torch.cuda.device_count():
        raise UserError(
            f"{DEVICES_VARIABLE}={devices}, but there are {torch.cuda.device_count()} CUDA devices"
        )
    return Placement(device, devices, whole_number(THREADS_VARIABLE, CPU_THREADS, least=1, most=MOST_THREADS))


def make_fabric(precision: str = "32-true") -> lightning_fabric.Fabric:
    """Set up the devices of `placement`, which raises `UserError`; `precision` is lightning-fabric's name."""
    device, devices, threads = placement()
    if device == "cpu":
        torch.set_num_threads(threads)
    forget_other_launchers()
    fabric = lightning_fabric.Fabric(
        accelerator=device,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
        # Use the devices above, even where a batch system (SLURM, LSF, MPI) names other ones for its job.
        plugins=LightningEnvironment(),
    )
    fabric.launch()
    return fabric


def data_workers() -> int:
    """Return the number of processes that load data; it does not change what is learned.

    `PERSON_SEARCH_WORKERS` sets it. The default is 4 with a GPU. On the CPU it is 1, or 0 (the training loads
    its data itself) where the network needs all cores.

    Raises:
        UserError: the variable has an unusable value.
    """
    default = 4 if torch.cuda.is_available() else int((os.cpu_count() or 1) > CPU_THREADS)
    return whole_number(WORKERS_VARIABLE, default, least=0, most=MOST_WORKERS)


def seed_everything(seed: int) -> None:
    """Seed all generators and ask for deterministic algorithms where they exist."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    np.random.seed(seed)  # for libraries that use the old generator
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling new tensors costs an eighth of a training step, and no code here reads them unwritten.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Where activations die out, denormal numbers slow the CPU down by an order of magnitude.
    torch.set_flush_denormal(True)
