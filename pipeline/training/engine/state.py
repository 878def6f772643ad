"""Everything that the rest of a training depends on, taken out and put back."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class TrainingState:
    """The moving parts of a training. With them and the random state, a resumed one ends with the same bits.

    Args:
        fabric: its precision may hold a gradient scaler.
        modules: networks, and losses with buffers (OIM's table, queue and position), by name.
        optimizer: the optimiser.
        scheduler: the learning-rate schedule.
    """

    def __init__(
        self,
        fabric: Fabric,
        modules: Mapping[str, nn.Module],
        optimizer: Optimizer,
        scheduler: LRScheduler,
    ) -> None:
        self.fabric, self.modules, self.optimizer, self.scheduler = fabric, modules, optimizer, scheduler

    def take(self) -> dict[str, Any]:
        """Return what is the same on all devices: nested dicts of tensors, numbers and texts."""
        return {
            "modules": {name: dict(module.state_dict()) for name, module in self.modules.items()},
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def put_back(self, state: Mapping[str, Any]) -> None:
        """Put modules, optimiser, schedule and precision back to what `take` returned."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        _lay_out_as_parameters(self.optimizer)
        self.scheduler.load_state_dict(state["scheduler"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])


def _lay_out_as_parameters(optimizer: Optimizer) -> None:
    """Give the optimiser's tensors the memory layout of their parameters, which a file does not keep.

    In another layout, other instructions compute the same sums, and the last bits may differ.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def random_state() -> dict[str, Any]:
    """Return the state of all generators of this process."""
    name, keys, *position = np.random.get_state()  # for libraries that use the old generator
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.array(keys).astype(np.int64)), *position),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Make all generators as they were when `random_state` returned this state."""
    random.setstate(state["python"])
    name, keys, *position = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *position))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
