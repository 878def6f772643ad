"""What a training ran on."""

import json

import torch
from torch import nn

from pipeline.training.engine.environment import environment, write_environment


def test_what_is_recorded(monkeypatch):
    torch.set_num_threads(1)
    recorded = environment(torch.device("cpu"))
    assert recorded["torch"] == str(torch.__version__)
    assert recorded["threads"] == 1
    assert recorded["devices"] == 1
    assert str(recorded["device"]).startswith("cpu")


def test_a_gpu_is_called_by_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A Fast One")
    assert environment(torch.device("cuda:0"))["device"] == "A Fast One"


def test_twice_is_the_same_file(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        write_environment(path, nn.Linear(1, 1))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert json.loads(paths[0].read_text()) == environment(torch.device("cpu"))
