"""What a student costs at the paper's scale, beside torchvision's plain Faster R-CNN of the same parts.

Run as `python -m benchmarks.full_scale` (part of `make bench-full`). Both have the same backbone, RPN, RoI
head, optimiser and pictures of 600 x 1000. Each has a process of its own, so that its peak memory is its own;
they take steps in turn. It takes minutes on a CPU.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from benchmarks.training import TimedStudent, batch_of
from pipeline.batches.loading import SceneBatch
from pipeline.devices import make_fabric
from pipeline.models.backbones import build_backbone
from pipeline.models.detector import BACKGROUND_AND_PERSON, DetectorOptions
from pipeline.training.engine.optimisation import build_optimizer

PAPER_SCALE = Path("presets/paper_scale.yaml")
BACKBONES = ("resnet18", "resnet50")
KINDS = ("student", "torchvision")
STEP_ALLOWED, MEMORY_ALLOWED = 1.05, 1.1
WARM_UP, SCENES = 2, 4
"""Scenes that are not counted, and scenes a step that are."""
FASTER = 2.0
"""How many times faster than a ResNet-50 a ResNet-18 student has to find and embed everybody."""


@click.command()
@click.option("--steps", default=5, show_default=True, help="Counted steps of each.")
@click.option("--be", nargs=2, hidden=True, help="Be the process of this kind and backbone.")
def main(steps: int, be: tuple[str, str] | None) -> None:
    """Time steps of students and of torchvision's network; exit code 1 if a student costs too much."""
    if be:
        _take_steps(*be)
        return
    wrong = [name for name in BACKBONES if not _compare(name, steps)]
    if not _inference(steps):
        wrong.append("inference")
    if wrong:
        raise click.ClickException(f"more than is allowed: {', '.join(wrong)}")


def _compare(backbone: str, steps: int) -> bool:
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    memory: dict[str, float] = {}
    with ExitStack() as stack:
        processes = {kind: stack.enter_context(_process(kind, backbone)) for kind in KINDS}
        for step in range(steps + 1):
            for kind in KINDS if step % 2 else KINDS[::-1]:
                seconds, memory[kind] = _ask(processes[kind], "step")
                if step:  # the first one warms up
                    times[kind].append(seconds)
    pairs = [own / plain for own, plain in zip(*(times[kind] for kind in KINDS), strict=True)]
    of_step, of_memory = statistics.median(pairs), memory["student"] / memory["torchvision"]
    seconds = statistics.median(times["student"])
    click.echo(
        f"{backbone} student at 600 x 1000: {seconds:.2f} s a step, {of_step:.3f} of torchvision's (median "
        f"of {steps} pairs, {min(pairs):.3f} to {max(pairs):.3f}, allowed {STEP_ALLOWED}); "
        f"{memory['student']:.2f} GiB at most, {of_memory:.3f} of torchvision's (allowed {MEMORY_ALLOWED})"
    )
    return of_step <= STEP_ALLOWED and of_memory <= MEMORY_ALLOWED


def _inference(steps: int) -> bool:
    """Compare the two students where they find and embed everybody in a scene."""
    ratios = []
    with ExitStack() as stack:
        small, large = (stack.enter_context(_process("student", name)) for name in BACKBONES)
        for _ in range(WARM_UP):
            _ask(small, "search")
            _ask(large, "search")
        for _ in range(SCENES * steps):
            seconds = _ask(small, "search")[0]
            ratios.append(_ask(large, "search")[0] / seconds)
    ratio = statistics.median(ratios)
    click.echo(
        f"search in a scene: a ResNet-50 student takes {ratio:.2f} times as long as a ResNet-18 one (median "
        f"of {len(ratios)} pairs, {min(ratios):.2f} to {max(ratios):.2f}, at least {FASTER})"
    )
    return ratio >= FASTER


@contextmanager
def _process(kind: str, backbone: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "benchmarks.full_scale", "--be", kind, backbone]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ask(process: "subprocess.Popen[str]", what: str) -> tuple[float, float]:
    """Have a process do something; return its seconds, and its peak memory in GiB."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()
    seconds, memory = process.stdout.readline().split()
    return float(seconds), float(memory)


def _take_steps(kind: str, backbone: str) -> None:
    """Do for each line that comes in what it says."""
    changes = {"network": {"backbone": {"name": backbone, "weights": "none"}}}
    student = TimedStudent("baseline", make_fabric(), PAPER_SCALE, changes)
    batch = batch_of(student.options, 0)
    plain = _Plain(student.options.network, student.options.training) if kind == "torchvision" else None
    if plain is not None:
        del student.task, student.optimizer
    for line in sys.stdin:
        start = time.perf_counter()
        if line.strip() == "search":
            network = student.task.network.student.eval()
            network.search(batch.images[:1], [torch.zeros(0, 4)])
        elif plain is not None:
            plain.step(batch)
        else:
            student.step(batch)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(seconds, peak, flush=True)  # noqa: T201 (read by the parent)


class _Plain:
    """torchvision's Faster R-CNN with a student's parts, its optimiser and nothing of ours."""

    def __init__(self, options: DetectorOptions, training: Any) -> None:
        parts, rpn, roi = build_backbone(options.backbone), options.rpn, options.roi
        parts.stem.out_channels = parts.stem_channels  # type: ignore[assignment]
        anchors = AnchorGenerator((tuple(rpn.anchor_sizes),), (tuple(rpn.aspect_ratios),))
        self.network = FasterRCNN(
            parts.stem,
            min_size=options.short_side,
            max_size=options.long_side,
            rpn_anchor_generator=anchors,
            rpn_head=RPNHead(parts.stem_channels, anchors.num_anchors_per_location()[0]),
            rpn_pre_nms_top_n_train=rpn.pre_nms_train,
            rpn_post_nms_top_n_train=rpn.post_nms_train,
            rpn_nms_thresh=rpn.nms_threshold,
            rpn_batch_size_per_image=rpn.sampled_anchors,
            box_roi_pool=MultiScaleRoIAlign(["0"], (roi.pooled_height, roi.pooled_width), sampling_ratio=1),
            box_head=nn.Sequential(parts.tail, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            box_predictor=FastRCNNPredictor(parts.tail_channels, BACKGROUND_AND_PERSON),
            box_batch_size_per_image=roi.sampled_rois,
            box_positive_fraction=roi.positive_fraction,
        ).train()
        self.optimizer = build_optimizer([self.network], training)

    def step(self, batch: SceneBatch) -> None:
        """Take one step."""
        torch.manual_seed(0)
        losses: Mapping[str, Tensor] = self.network(batch.images, batch.targets)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


if __name__ == "__main__":
    main()
