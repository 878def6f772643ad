"""What a training ran on: it is recorded, so that numbers that differ can be traced to machines that do."""

import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torchvision

from pipeline.basics.json_files import write_json


def environment(device: torch.device) -> dict[str, str | int]:
    """Return versions, device and threads: what the last bits of a training depend on beside its inputs.

    Args:
        device: what the network was trained on, in this process.
    """
    cuda = device.type == "cuda"
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": torchvision.__version__,
        "lightning_fabric": version("lightning-fabric"),
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        "devices": torch.distributed.get_world_size() if distributed else 1,
        "instructions": f"CUDA {torch.version.cuda}" if cuda else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def write_environment(path: Path, network: torch.nn.Module) -> None:
    """Write what a network was trained on as JSON; nothing depends on the file."""
    device = next(network.parameters()).device
    write_json(path, environment(device))
