"""Where a network runs, and what is done so that it runs the same way twice."""

import os

import lightning_fabric
import numpy as np
import torch

from pipeline.basics.errors import UserError

DEVICE_VARIABLE = "PERSON_SEARCH_DEVICE"
DEVICES_VARIABLE = "PERSON_SEARCH_DEVICES"
WORKERS_VARIABLE = "PERSON_SEARCH_WORKERS"
THREADS_VARIABLE = "PERSON_SEARCH_THREADS"
CHOICES = ("auto", "cpu", "cuda")
CPU_THREADS = 2
"""By default; see `make_fabric`."""


def make_fabric(precision: str = "32-true") -> lightning_fabric.Fabric:
    """Set up the devices that the environment asks for; these never change what a run means.

    `PERSON_SEARCH_DEVICE` is `auto` (the default), `cpu` or `cuda`; `PERSON_SEARCH_DEVICES` how many of
    them train together (default 1). On the CPU `PERSON_SEARCH_THREADS` is how many threads a network runs in
    (default 2, whatever the machine has, since the number changes the last bits of what is learned).

    Raises:
        UserError: a variable has no usable value, or `cuda` is asked for and absent.
    """
    device = os.environ.get(DEVICE_VARIABLE, "auto")
    if device not in CHOICES:
        raise UserError(f"{DEVICE_VARIABLE}={device}: it must be one of {', '.join(CHOICES)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{DEVICE_VARIABLE}=cuda, but PyTorch finds no CUDA device here; unset it or use cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    count = device_count()
    if device == "cpu":
        torch.set_num_threads(_whole_number(THREADS_VARIABLE, default=CPU_THREADS, least=1))
    if device == "cuda" and count > torch.cuda.device_count():
        raise UserError(f"{DEVICES_VARIABLE}={count}, but there are {torch.cuda.device_count()} CUDA devices")
    fabric = lightning_fabric.Fabric(
        accelerator=device,
        devices=count,
        strategy="ddp" if count > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def device_count() -> int:
    """Return how many devices train together (`PERSON_SEARCH_DEVICES`, by default 1)."""
    return _whole_number(DEVICES_VARIABLE, default=1, least=1)


def data_workers() -> int:
    """Return how many processes load data (`PERSON_SEARCH_WORKERS`); what is learned is the same.

    The default is 4 beside a GPU; on the CPU 1, and 0 (the training loads its data itself) where the network
    needs all cores there are.
    """
    cpu_default = int((os.cpu_count() or 1) > CPU_THREADS)
    return _whole_number(WORKERS_VARIABLE, default=4 if torch.cuda.is_available() else cpu_default, least=0)


def seed_everything(seed: int) -> None:
    """Seed all generators and ask for deterministic algorithms where they exist."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    np.random.seed(seed)  # for libraries that use the old generator
    torch.use_deterministic_algorithms(True, warn_only=True)
    # We read no memory before it is written; filling it first costs an eighth of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Denormals slow the CPU down by an order of magnitude where activations die out.
    torch.set_flush_denormal(True)


def _whole_number(variable: str, default: int, least: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{variable}={text}: it must be a whole number from {least}")
    return int(text)
