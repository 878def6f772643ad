"""The check of a device, with tiny networks; most of it in this process."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from lightning_fabric import Fabric

from benchmarks import device_checks, gpu_check
from benchmarks.paper_scale import build
from benchmarks.trainer_process import RunningModule, in_turns, train
from benchmarks.training import batch_of
from pipeline.devices import Placement
from tests.pipeline_runs.tiny_parameters import tiny_parameters, write_parameters

ROOT = Path(__file__).parents[2]
TRAININGS = ["baseline", "kd_detector", "kd_lut", "kd_both", "train_detector", "train_reid"]
ON_CPU, ON_GPU = Placement("cpu", 1, 1, True), Placement("cuda", 1, 2, False)
NUMBERS = {
    *("name", "precision", "images a second", "seconds a step", "peak GiB", "share of waiting"),
    *("steps of the preset", "hours of the preset", "measured steps"),
}


class InThisProcess:
    """Does what `TrainerProcess` does, here."""

    def __init__(self, preset, name, _precision="32-true", training=None):
        fabric = Fabric(accelerator="cpu", devices=1)
        self.trained = build(preset, name, fabric, {"training": training or {}})

    def ask(self, what):
        kind, *counts = what.split()
        if kind == "train":
            return train(self.trained, *map(int, counts)) | {"peak": 1.0}
        return {"seconds": self.trained.step(batch_of(self.trained.options, 0)), "peak": 2.0}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def as_it_should_be(check, *arguments, **variables):
    if check == "jointly":
        folder, devices = Path(arguments[0]), variables["PERSON_SEARCH_DEVICES"]
        for device in range(int(devices)):
            torch.save({"baseline": {"losses": torch.ones(2)}}, folder / f"{devices}-{device}.pt")
    return {"losses": {"total": 0.0}, "cosine": 1.0, "equal": True}


@pytest.fixture
def parameters(tmp_path, monkeypatch):
    """The tiny parameters, in the working folder."""
    write_parameters(tmp_path, tiny_parameters())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "0")
    return tmp_path / "params.yaml"


@pytest.fixture
def preset(parameters, monkeypatch):
    """The same; there are no other processes, and all checks find what they should."""
    monkeypatch.setattr(gpu_check, "TrainerProcess", InThisProcess)
    monkeypatch.setattr(gpu_check, "asked_once", as_it_should_be)
    return parameters


def run(preset, *arguments):
    result = CliRunner().invoke(gpu_check.main, ["--preset", str(preset), *arguments])
    path = Path("gpu-check.json")
    return result, json.loads(path.read_text()) if path.exists() else None


def test_all_trainings_are_timed_and_the_file_has_all_numbers(preset, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    result, report = run(preset, "--steps", "2")
    assert (result.exit_code, report["right"]) == (0, True), result.output
    assert set(report) == {"environment", "placement", "right", "hours of all trainings", "rows"}
    timed = {row["numbers"]["name"]: row["numbers"] for row in report["rows"] if "name" in row["numbers"]}
    assert list(timed) == ["torchvision baseline", *TRAININGS]
    for name, numbers in timed.items():
        compared = {"of torchvision's"} if name in TRAININGS[:4] else set()
        assert set(numbers) == NUMBERS | compared
    hours = sum(timed[name]["hours of the preset"] for name in TRAININGS)
    assert report["hours of all trainings"] == {"32-true": pytest.approx(hours)}
    reid = timed["train_reid"]
    # Median of the step's and the waiting time together.
    assert reid["images a second"] * reid["hours of the preset"] * 3600 == pytest.approx(4 * 4)
    options = {row["what"]: row for row in report["rows"] if "with" in row["what"].split()}
    assert options["baseline with channels_last in 32-true"]["numbers"]["of plain"] > 0
    assert options["baseline with compile in 32-true"]["result"].startswith("not here: no C++ compiler")
    for row in report["rows"]:
        assert row["what"].split()[0] in result.stdout
    assert "all trainings" in result.stdout


def test_only_some_are_timed(preset):
    result, report = run(preset, "--only", "train_reid")
    assert result.exit_code == 0
    assert [row["numbers"]["name"] for row in report["rows"] if "name" in row["numbers"]] == ["train_reid"]
    result, _ = run(preset, "--only", "nobody")
    assert (result.exit_code, "has no nobody; it has baseline, " in result.output) == (2, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"losses": {"total": 0.5, "identity": 0.1}, "cosine": 1.0, "equal": True},
        {"losses": {"total": 0.0}, "cosine": 0.9, "equal": True},
        {"losses": {"total": 0.0}, "cosine": float("nan"), "equal": True},
        {"losses": {"total": 0.0}, "cosine": 1.0, "equal": False},
    ],
)
def test_what_is_wrong_ends_with_1(wrong, preset, monkeypatch):
    monkeypatch.setattr(gpu_check, "asked_once", lambda *a, **v: as_it_should_be(*a, **v) | wrong)
    result, report = run(preset, "--only", "")
    assert (result.exit_code, report["right"]) == (1, False)
    assert "WRONG" in result.stdout
    assert "attach the file" in result.output


def test_a_row_that_cannot_be_made_is_wrong_and_the_others_go_on(preset, monkeypatch):
    def refused(*arguments, **options):
        raise subprocess.SubprocessError("out of memory")

    monkeypatch.setattr(gpu_check, "TrainerProcess", refused)
    result, report = run(preset, "--only", "baseline,train_reid")
    assert result.exit_code == 1
    failed = [row["what"] for row in report["rows"] if row["result"] == "out of memory"]
    assert failed[:3] == ["torchvision baseline in 32-true", "baseline in 32-true", "train_reid in 32-true"]


def test_what_a_gpu_is_looked_at_for(monkeypatch):
    asked = []

    def kept(*arguments, **variables):
        asked.append((arguments, variables))
        return as_it_should_be(*arguments, **variables)

    monkeypatch.setattr(gpu_check, "asked_once", kept)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    rows = [work.make() for work in gpu_check._checks(ON_GPU)]
    assert [arguments for arguments, _ in asked] == [
        *(("parity", way) for way in ("32-true", "tf32", "bf16-mixed")),
        *[("equal-runs",)] * 2,
    ]
    assert [variables["PERSON_SEARCH_DETERMINISTIC"] for _, variables in asked[3:]] == ["0", "1"]
    assert rows[-1].result == "not here: one device"


def test_two_devices_agree(parameters, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cpu")
    row = gpu_check.several_devices("two", ON_CPU)
    assert row.right, row.result
    assert set(row.numbers) == {"losses", "table", "weights"}


def test_two_devices_that_differ_are_seen(tmp_path):
    alone = {"baseline": {"losses": torch.ones(2), "table queue": torch.zeros(0), "weights a": torch.ones(2)}}
    torch.save(alone, tmp_path / "1-0.pt")
    torch.save(alone, tmp_path / "2-0.pt")
    torch.save({"baseline": alone["baseline"] | {"weights a": torch.full((2,), 1.5)}}, tmp_path / "2-1.pt")
    assert device_checks.furthest(tmp_path, 2) == {"losses": 0.0, "table": 0.0, "weights": 0.5}


def test_parity_on_the_cpu(parameters):
    found = device_checks.parity("32-true")
    assert set(found["losses"].values()) == {0.0}
    assert {"total", "identity", "distil_hint"} <= set(found["losses"])
    mixed = device_checks.parity("bf16-mixed")
    assert 0 < max(mixed["losses"].values()) < 0.05
    assert device_checks.equal_runs() == {"equal": True}


def test_a_process_that_ends_says_why():
    process = RunningModule("no_such_module")
    try:
        with pytest.raises(subprocess.SubprocessError, match="No module named no_such_module"):
            process.ask("step")
    finally:
        process.end()


class Answering:
    def __init__(self, *seconds):
        self.seconds = list(seconds)

    def ask(self, _what):
        return {"seconds": self.seconds.pop(0), "peak": float(len(self.seconds))}


def test_turns_are_paired_and_the_first_is_not_counted():
    pairs = in_turns(Answering(100.0, 2.0, 6.0, 4.0), Answering(1.0, 2.0, 2.0, 2.0), 3)
    assert pairs.ratios == [1.0, 3.0, 2.0]
    assert (pairs.ratio, pairs.seconds, pairs.memory) == (2.0, 4.0, (0.0, 0.0))
