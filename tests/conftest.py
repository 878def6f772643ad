"""What all tests share: one thread, and a tiny data set."""

import signal

import pytest
import torch
from hypothesis import HealthCheck, settings

from pipeline.datasets.packing import prepare
from pipeline.scenes.prepared import PreparedDataSet
from tests.tiny import TinyDataSet, silent
from tests.warm.programs import warm_programs

torch.set_num_threads(1)
settings.register_profile(
    "fast",
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fast")


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would all processes that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    """Whatever the environment asks for, tests run on one CPU, in one thread, without data workers.

    A training lets the processor take denormal numbers for zero; hypothesis wants them back.
    """
    monkeypatch.delenv("PERSON_SEARCH_DEVICES", raising=False)
    monkeypatch.setenv("PERSON_SEARCH_THREADS", "1")
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cpu")
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "0")
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> PreparedDataSet:
    """The tiny data set, prepared."""
    return prepare(TinyDataSet(), tmp_path_factory.mktemp("tiny") / "prepared", silent)


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """A folder of programs that start at once, see `warm_programs`; each worker has its own."""
    with warm_programs(tmp_path_factory.mktemp("warm")) as folder:
        yield folder
