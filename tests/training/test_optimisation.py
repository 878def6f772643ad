"""Optimiser groups and learning rates."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pipeline.training.engine.optimisation import build_optimizer, build_scheduler
from tests.tiny import training_options


def rates_of(**changes):
    """The learning rate of every step."""
    options = training_options(**changes)
    optimizer = build_optimizer([nn.Linear(1, 1)], options)
    scheduler = build_scheduler(optimizer, options)
    rates = []
    for _ in range(options.steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_matrices_and_kernels_are_decayed(name):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    network[2].weight.requires_grad_(False)
    optimizer = build_optimizer([network], training_options(optimizer=name, weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    learning = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert set(decay) == {id(p) for p in learning.values()}
    assert {n: decay[id(p)] for n, p in learning.items()} == {
        "0.weight": 0.1,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "2.bias": 0.0,
    }


def test_decay_pulls_weights_to_zero_and_leaves_biases():
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone(), network.bias.detach().clone()
    optimizer = build_optimizer([network], training_options(learning_rate=0.5, weight_decay=0.1))
    sum((parameter * 0).sum() for parameter in network.parameters()).backward()
    optimizer.step()
    torch.testing.assert_close(network.weight.detach(), before[0] * 0.95)
    assert torch.equal(network.bias.detach(), before[1])


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["one_cycle", "step"])
def test_biases_learn_faster(name, schedule):
    """OIM's code doubles their rate. Those of normalisation keep theirs."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    options = training_options(optimizer=name, schedule=schedule, steps=5, bias_factor=2.0)
    optimizer = build_optimizer([network], options)
    scheduler = build_scheduler(optimizer, options)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    for _ in range(options.steps):
        rates = {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
        common = rates.pop("0.weight")
        assert rates == {
            "0.bias": pytest.approx(2 * common),
            "1.weight": common,
            "1.bias": common,
            "2.weight": common,
            "2.bias": pytest.approx(2 * common),
        }
        optimizer.step()
        scheduler.step()
    decay = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name for name, value in decay.items() if value} == {"0.weight", "2.weight"}


@given(data=st.data(), steps=st.integers(1, 60))
def test_one_cycle_goes_up_once_and_down_to_nothing(data, steps):
    warmup = data.draw(st.integers(0, steps))
    rates = rates_of(schedule="one_cycle", steps=steps, warmup_steps=warmup, learning_rate=1.0)
    top = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    if 1 < warmup < steps:
        assert top == pytest.approx(warmup - 1, abs=1)
        assert rates[-1] < 0.01


def test_step_schedule():
    rates = rates_of(
        schedule="step", steps=8, warmup_steps=4, decay_steps=[5, 7], decay_factor=0.5, learning_rate=1.0
    )
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5, 0.25])
    assert rates_of(schedule="step", steps=3, warmup_steps=0, learning_rate=2.0) == [2.0] * 3
