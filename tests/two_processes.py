"""Work in two processes that know one another, as those of a training on several devices do."""

import cloudpickle
import torch
from torch import distributed, multiprocessing

RANKS = 2
SLOW = ("torch", "torchvision", "lightning_fabric", "pipeline.training.student.training")
"""What each of them would import again, in seconds."""


def in_each_process(work, folder):
    """Run `work(rank)` in each process; return what they return, by rank, and None of one that failed."""
    # Not forked from this process: another test's autograd may have started threads, which no fork survives.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*SLOW, __name__])
    arguments = cloudpickle.dumps(work), str(folder)
    processes = [context.Process(target=_process, args=(*arguments, rank)) for rank in range(RANKS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    paths = [folder / f"{rank}.pt" for rank in range(RANKS)]
    return [torch.load(path, weights_only=False) if path.exists() else None for path in paths]


def _process(work, folder, rank):
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)
    torch.save(cloudpickle.loads(work)(rank), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()
