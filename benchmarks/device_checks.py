"""What a device computes, beside the CPU and beside itself; each check in a process of its own.

`python -m benchmarks.device_checks WHAT ARGUMENTS` prints its numbers as a line of JSON. All train the
students of the default run, on generated scenes.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from benchmarks.paper_scale import drawn_batches
from benchmarks.training import TimedStudent, batch_of
from pipeline.basics.launchers import rank
from pipeline.basics.options import merged
from pipeline.devices import make_fabric
from pipeline.training.joint_draws import sharing_draws
from stages.support.parameters import PARAMETERS

STUDENT = "kd_both"
FULL, MIXED, TENSOR_CORES = "32-true", "bf16-mixed", "tf32"
"""Ways to compute; the last is PyTorch's own choice for convolutions on a GPU."""
EVERYTHING = 100_000
NO_CHOICE = {
    "network": {
        "rpn": {
            "sampled_anchors": EVERYTHING,
            "nms_threshold": 1.0,
            "pre_nms_train": EVERYTHING,
            "post_nms_train": EVERYTHING,
        },
        "roi": {"sampled_rois": EVERYTHING},
    }
}
"""All anchors are proposed and all proposals sampled: no draw matters, nor the order of close scores."""
PARITY_BATCH = 2
EQUAL_STEPS, JOINT_STEPS = 3, 4
JOINT_STUDENTS = (STUDENT, "baseline")
"""The default run's own with both teachers, whose table is frozen, and one whose table moves."""
EVEN = {"training": {"optimizer": "sgd", "learning_rate": 1e-4, "steps": JOINT_STEPS, "warmup_steps": 0}}
"""What a step does with differences in the last bits: little. A fast start of an untrained network makes 1e-6
of them to 1e-2 in four steps, and AdamW's first steps have one length, even along nothing but rounding."""


def parity(way: str) -> dict[str, Any]:
    """Compare losses and gradients of one step with the CPU's in float32, for equal weights.

    Returns:
        `losses`: differences by name, as parts of the CPU's total loss; `total` as well; `cosine` between the
        gradients of all weights.
    """
    convolutions_in_tf32(way == TENSOR_CORES)
    precision = MIXED if way == MIXED else FULL
    reference, gradient = _one_step(Fabric(accelerator="cpu", devices=1), FULL)
    found, own_gradient = _one_step(make_fabric(precision), precision)
    losses = {name: abs(found[name] - loss) / abs(reference["total"]) for name, loss in reference.items()}
    cosine = torch.nn.functional.cosine_similarity(own_gradient, gradient, dim=0)
    return {"losses": losses, "cosine": float(cosine)}


def convolutions_in_tf32(allowed: bool) -> None:
    """Let a GPU's convolutions round to TF32, as PyTorch has it, or forbid it."""
    torch.backends.cudnn.allow_tf32 = allowed


def _one_step(fabric: Fabric, precision: str) -> tuple[dict[str, float], Tensor]:
    """Return the losses and all gradients of a step, without any choice."""
    changes = merged(NO_CHOICE, {"training": {"precision": precision, "batch_size": PARITY_BATCH}})
    student = TimedStudent(STUDENT, fabric, PARAMETERS, changes)
    torch.manual_seed(0)
    with fabric.autocast():
        losses = student.task.losses(fabric.to_device(batch_of(student.options, 0)))
    weights = student.options.weights()
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    fabric.backward(total)
    found = (parameter.grad for parameter in student.task.network.parameters())
    gradients = torch.cat([gradient.flatten().double().cpu() for gradient in found if gradient is not None])
    return {name: loss.item() for name, loss in (losses | {"total": total}).items()}, gradients


def equal_runs() -> dict[str, Any]:
    """Train twice from one seed; tell whether all weights have the same bits."""
    runs = []
    for _ in range(2):
        student = TimedStudent(STUDENT, make_fabric(), PARAMETERS)
        for seed in range(EQUAL_STEPS):
            student.step(batch_of(student.options, seed))
        runs.append(torch.cat([p.detach().flatten().cpu() for p in student.task.network.parameters()]))
    return {"equal": torch.equal(*runs)}


def jointly(folder: str, choice: str) -> dict[str, Any]:
    """Train some steps, alone or with other devices, and write what came out, a file a device.

    Args:
        folder: where it is written.
        choice: `choice`, or `no choice`: see `NO_CHOICE`.
    """
    fabric = make_fabric()
    convolutions_in_tf32(False)
    changes: Mapping[str, Any] = EVEN if choice == "choice" else merged(NO_CHOICE, EVEN)
    own = Path(folder) / f"{fabric.world_size}-{fabric.global_rank}"
    own.mkdir()
    results = {name: _trained(name, fabric, changes, own) for name in JOINT_STUDENTS}
    torch.save(results, own.with_suffix(".pt"))
    fabric.barrier()
    return {"devices": fabric.world_size}


def _trained(name: str, fabric: Fabric, changes: Mapping[str, Any], folder: Path) -> dict[str, Tensor]:
    """Return the losses of each step over all devices, the table and queue, and the weights."""
    student = TimedStudent(name, fabric, PARAMETERS, changes)
    losses: list[Tensor] = []
    with sharing_draws(student.task.network):
        for batch in drawn_batches(student.options, fabric, folder, JOINT_STEPS):
            student.step(batch)
            losses.append(torch.stack([torch.as_tensor(loss) for loss in student.losses.values()]))
    means: Any = fabric.all_reduce(torch.stack(losses), reduce_op="mean")
    states = {"table": student.identity_loss.state_dict(), "weights": student.task.network.state_dict()}
    kept = {
        f"{kind} {key}": value.detach().double().cpu()
        for kind, state in states.items()
        for key, value in state.items()
    }
    return {"losses": means.detach().double().cpu()} | kept


def furthest(folder: Path, devices: int) -> dict[str, float]:
    """Return how far losses, tables and weights of devices are at most from those of one alone.

    A difference counts as a part of the value, or of 1 where the value is smaller.
    """
    alone = torch.load(folder / "1-0.pt")
    found = {"losses": 0.0, "table": 0.0, "weights": 0.0}
    for device in range(devices):
        joint = torch.load(folder / f"{devices}-{device}.pt")
        for student, values in alone.items():
            for name, value in values.items():
                kind = name.split()[0]
                found[kind] = max(found[kind], _difference(joint[student][name], value))
    return found


def _difference(own: Tensor, other: Tensor) -> float:
    if not other.numel():
        return 0.0
    return float(((own - other).abs() / other.abs().clamp(min=1)).max())


CHECKS: dict[str, Callable[..., dict[str, Any]]] = {
    "parity": parity,
    "equal-runs": equal_runs,
    "jointly": jointly,
}

if __name__ == "__main__":
    answer = CHECKS[sys.argv[1]](*sys.argv[2:])
    if rank() == 0:
        print(json.dumps(answer), flush=True)  # noqa: T201 (read by the parent)
