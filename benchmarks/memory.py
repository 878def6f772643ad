"""The most memory that this process has taken."""

import resource
from pathlib import Path

import torch

STATUS, PEAK = Path("/proc/self/status"), "VmHWM:"
KIB_A_GIB = 1 << 20
BYTES_A_GIB = 1 << 30


def peak_gib(device: torch.device) -> float:
    """Return the most that this process has held, on a GPU or in memory (its data processes are not in it).

    On Linux it is not `ru_maxrss`, which a new process inherits from the one that starts it.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / BYTES_A_GIB
    if STATUS.exists():
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(PEAK)) / KIB_A_GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_GIB
