"""How a training goes on from a checkpoint: what is kept, and how it is put back.

Each device keeps a checkpoint of its own. What is the same on all of them is in the first one's only. Which
batch comes next follows from the step: see `batches/samplers.py`.
"""

from typing import Any

from lightning_fabric import Fabric

from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.engine.history import History
from pipeline.training.engine.joint import over_devices
from pipeline.training.engine.state import TrainingState, random_state, set_random_state

SHARED, OWN = "shared", "own"
"""Parts of a checkpoint: what is the same on all devices, and what is a device's own."""


def to_keep(fabric: Fabric, state: TrainingState, history: History) -> dict[str, Any]:
    """Return what this device has to keep: its random state, and if it is the first, all else."""
    shared = {"training": state.take(), "history": history.take()} if fabric.is_global_zero else None
    return {OWN: random_state()} | ({SHARED: shared} if shared else {})


def go_on(fabric: Fabric, checkpoints: Checkpoints | None, state: TrainingState, history: History) -> int:
    """Put back the newest checkpoint that all devices have, and return how many steps are done: 0 without."""
    checkpoint = checkpoints.newest() if checkpoints is not None else None
    if fabric.world_size > 1 and checkpoints is not None:
        # A kill may have hit between two of them, and one may be damaged.
        common = over_devices(fabric, checkpoint.step if checkpoint else 0, "min")
        checkpoint = checkpoints.newest(common) if common else None
        if over_devices(fabric, checkpoint.step if checkpoint else 0, "min") != common:
            return 0
    if checkpoint is None:
        return 0
    shared = fabric.broadcast(checkpoint.state.get(SHARED))
    state.put_back(shared["training"])
    history.put_back(shared["history"])
    set_random_state(checkpoint.state[OWN])
    return checkpoint.step
