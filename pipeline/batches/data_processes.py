"""Processes that load data beside the network. What they load does not depend on how many there are."""

import os
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from pipeline.basics.errors import UserError

LONGEST_SOCKET = 107
"""Most bytes in the path of a Unix socket."""
SOCKET_BELOW = "/pymp-xxxxxxxx/listener-xxxxxxxx"
"""What Python appends to the temporary folder's path for a socket."""
WORKER_SECONDS = 600
"""How long to wait for a batch from a worker before giving up. A batch takes seconds at most."""
AHEAD = 2
"""Batches that each worker loads ahead."""

Batch = TypeVar("Batch")


def loaded(
    dataset: Dataset[Any],
    batches: Sampler[list[Any]] | Iterable[list[Any]],
    collate: Callable[[list[Any]], Batch],
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Yield batches of samples, in order.

    Args:
        dataset: the samples.
        batches: which samples are in which batch.
        collate: makes a batch of samples. Its tensors travel between processes.
        workers: number of processes that load; with 0, this process does. They end with the last batch.
        device: where the batches go. For CUDA they come in pinned memory, from which the copy to the device
            needs not be waited for.

    Raises:
        UserError: a shard is damaged, or the temporary folder's path is too long for workers.
    """
    if workers:
        _check_limits()
    # The loader draws a number whenever it starts. From the global generator, that would change which RoIs
    # are sampled after a resume.
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        timeout=WORKER_SECONDS if workers else 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=partial(_end_if_alone, os.getpid()),
    )
    return _with_errors_of_one_line(loader)


def _check_limits() -> None:
    """Make sure that workers can hand over batches: as open files, through sockets in the temporary folder.

    The limit of open files is raised to the most that the system allows.

    Raises:
        UserError: the temporary folder's path is too long for a socket in it.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_SOCKET - len(SOCKET_BELOW):
        raise UserError(
            f"the temporary folder's name is too long for processes that load data ({folder}); set TMPDIR to "
            f"a shorter one, or PERSON_SEARCH_WORKERS=0"
        )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _end_if_alone(starter: int, _worker: int) -> None:
    """End a worker whose starter was killed while it started; later, PyTorch's own watch ends it."""
    if os.getppid() != starter:
        os._exit(1)


def _with_errors_of_one_line(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches; a worker's `UserError`, which arrives with its traceback as text, is one line again."""
    try:
        yield from batches
    except UserError as error:
        line = str(error).rstrip().splitlines()[-1]
        raise UserError(line.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")) from None
