"""What the environment may ask for, and what it may not."""

import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.devices import data_workers, make_fabric


def test_the_cpu(monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cpu")
    assert make_fabric().device == torch.device("cpu")


def test_an_unknown_device(monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "abacus")
    with pytest.raises(UserError, match=r"PERSON_SEARCH_DEVICE=abacus: it must be one of auto, cpu, cuda"):
        make_fabric()


def test_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"PyTorch finds no CUDA device here"):
        make_fabric()


def test_more_cuda_devices_than_there_are(monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cuda")
    monkeypatch.setenv("PERSON_SEARCH_DEVICES", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"PERSON_SEARCH_DEVICES=3, but there are 2 CUDA devices"):
        make_fabric()


@pytest.mark.parametrize("value", ["0", "-1", "two", "", "1.5", "²", "1025", "9" * 5000])
def test_a_bad_number_of_devices(value, monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICES", value)
    with pytest.raises(UserError, match=r"PERSON_SEARCH_DEVICES=.*a whole number from 1"):
        make_fabric()


def with_cores(monkeypatch, cores, cuda):
    monkeypatch.delenv("PERSON_SEARCH_WORKERS")
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(cores)))


@pytest.mark.parametrize(("cores", "workers", "least_one"), [(1, 0, 1), (2, 0, 1), (3, 1, 1), (64, 1, 1)])
def test_data_is_loaded_beside_the_network_where_a_core_is_left(cores, workers, least_one, monkeypatch):
    with_cores(monkeypatch, cores, cuda=False)
    assert data_workers() == workers
    assert data_workers(least=1) == least_one


@pytest.mark.parametrize(
    ("cores", "devices", "workers"), [(1, 1, 1), (4, 1, 3), (16, 1, 8), (16, 2, 7), (16, 8, 1), (2, 4, 1)]
)
def test_gpus_share_the_cores(cores, devices, workers, monkeypatch):
    with_cores(monkeypatch, cores, cuda=True)
    monkeypatch.setenv("PERSON_SEARCH_DEVICES", str(devices))
    assert data_workers() == workers
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cpu")
    assert data_workers() == int(cores > 2)


def test_workers(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert data_workers() == 0
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "3")
    assert data_workers() == 3
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "many")
    with pytest.raises(UserError, match=r"PERSON_SEARCH_WORKERS=many"):
        data_workers()
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "99999")
    with pytest.raises(
        UserError, match=r"PERSON_SEARCH_WORKERS=99999: it must be a whole number from 0 to 64"
    ):
        data_workers()
