"""Optimiser and learning-rate schedule from options."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from pipeline.basics.options import Options, added_field, refuse_without_effect
from pipeline.models.backbones import NetworkOptions


class TrainingOptions(Options):
    """How long and how a network is trained.

    Attributes:
        steps: optimiser steps.
        batch_size: samples a batch, over all devices together.
        accumulate: batches a step: the step is along the mean of their gradients (OIM's code takes two).
        optimizer: `adamw` or `sgd`.
        learning_rate: the highest.
        bias_factor: times `learning_rate`, for the biases of convolutions and linear layers (2 in OIM).
        momentum: of `sgd`.
        weight_decay: on weights; biases and normalisation have none.
        schedule: `one_cycle` (up over the first `warmup_steps`, then down to nothing by a cosine), or `step`
            (up linearly over `warmup_steps`, then times `decay_factor` at each of `decay_steps`).
        warmup_steps: see `schedule`.
        decay_steps: see `schedule`.
        decay_factor: see `schedule`.
        clip_norm: longest gradient, over all parameters; 0 for any length.
        precision: lightning-fabric's name: `32-true`, `bf16-mixed`, `16-mixed`.
        channels_last: memory layout of the network, where that is safe (see `memory_layout.py`).
        compile: let PyTorch compile the backbone, which takes minutes at the start and needs a C++ compiler.
    """

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulate: int = added_field(1, gt=0)
    optimizer: Literal["adamw", "sgd"]
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    schedule: Literal["one_cycle", "step"]
    warmup_steps: int = Field(default=0, ge=0)
    decay_steps: list[int] = Field(default=[])
    decay_factor: float = Field(default=0.1, gt=0, le=1)
    clip_norm: float = Field(default=0.0, ge=0)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    channels_last: bool = False
    compile: bool = added_field(False)
    bias_factor: float = added_field(1.0, gt=0)

    @model_validator(mode="after")
    def _warm_up_is_shorter(self) -> "TrainingOptions":
        if self.warmup_steps > self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} is more than all {self.steps} steps")
        return self

    @model_validator(mode="after")
    def _has_effect(self) -> "TrainingOptions":
        unused = {"momentum": "optimizer 'sgd'"} if self.optimizer != "sgd" else {}
        if self.schedule != "step":
            unused |= dict.fromkeys(("decay_steps", "decay_factor"), "schedule 'step'")
        defaults = {key: type(self).model_fields[key].default for key in unused}
        reasons = {
            key: f"only {who} looks at it (it may be its default, {defaults[key]})"
            for key, who in unused.items()
            if getattr(self, key) != defaults[key]  # all options of a training, written out, have defaults
        }
        refuse_without_effect(self, reasons)
        return self


class NetworkTrainingOptions(Options):
    """What the settings of every training hold.

    Attributes:
        seed: of weights, batches and samples.
        network: the architecture; each training narrows it to its own.
        training: optimiser and schedule.
    """

    seed: int = Field(ge=0)
    network: NetworkOptions
    training: TrainingOptions


def build_optimizer(modules: Iterable[nn.Module], options: TrainingOptions) -> torch.optim.Optimizer:
    """Build the optimiser over all parameters that learn."""
    modules = list(modules)
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    faster = _biases(modules) if options.bias_factor != 1 else set()
    rest = [p for p in parameters if p not in faster]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if faster:
        rate = options.bias_factor * options.learning_rate
        groups.append({"params": [p for p in parameters if p in faster], "weight_decay": 0.0, "lr": rate})
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=options.learning_rate)
    return torch.optim.SGD(groups, lr=options.learning_rate, momentum=options.momentum)


def _biases(modules: Iterable[nn.Module]) -> set[torch.Tensor]:
    """Return the biases of all convolutions and linear layers."""
    layers = [part for module in modules for part in module.modules()]
    return {part.bias for part in layers if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None}


def build_scheduler(optimizer: torch.optim.Optimizer, options: TrainingOptions) -> LRScheduler:
    """Build the learning-rate schedule; it is stepped once an optimiser step."""
    if options.schedule == "one_cycle":
        # Torch's schedule divides by zero where one of its two ways has a single step or none.
        warmup = min(options.warmup_steps, options.steps - 1)
        return OneCycleLR(
            optimizer,
            max_lr=[float(group["lr"]) for group in optimizer.param_groups],
            total_steps=options.steps,
            pct_start=warmup / options.steps if warmup > 1 else 0.0,
            cycle_momentum=False,
        )
    return LambdaLR(optimizer, lambda step: _step_factor(step, options))


def _step_factor(step: int, options: TrainingOptions) -> float:
    warmup = min(1.0, (step + 1) / options.warmup_steps) if options.warmup_steps else 1.0
    return warmup * options.decay_factor ** sum(step >= decay for decay in options.decay_steps)
