"""A disk that gets full: one line that says where, and what was there before is still there.

The folder that a stage writes to is put on a small disk in memory, in a namespace of its own.
"""

import shlex
import shutil
import subprocess
import sys

import pytest

from pipeline.training.engine.checkpoints import Checkpoints
from tests.pipeline_runs.in_process import PROGRESS, run_stage

BASELINE = "train_student --student baseline"
SPARE = 0
"""KiB that are free, where nothing else is said."""


def can_mount():
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    return (
        shutil.which("unshare") and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here (unshare -rm)")


def on_a_full_disk(here, folder, command, spare):
    """Run a stage while a folder has only some KiB left.

    Returns:
        Exit code and lines on stderr but for the progress; the folder's files are put back afterwards as the
        stage left them.
    """
    (here / folder).mkdir(parents=True, exist_ok=True)
    size = sum(-(-path.stat().st_size // 4096) * 4 for path in (here / folder).rglob("*") if path.is_file())
    folders = sum(1 for path in (here / folder).rglob("*") if path.is_dir())
    after = here / "after"
    script = f"""
        cp -a {folder} {folder}.before
        mount -t tmpfs -o size={size + 4 * folders + spare}k tmpfs {folder}
        cp -a {folder}.before/. {folder}/
        {shlex.quote(sys.executable)} -m stages.{command}
        code=$?
        cp -a {folder} {after}
        exit $code
    """
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=here, capture_output=True, text=True, check=False
    )
    shutil.rmtree(here / folder)
    after.rename(here / folder)
    lines = [line for line in result.stderr.splitlines() if not PROGRESS.fullmatch(line)]
    return result.returncode, lines


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("folder", "command", "named"),
    [
        ("data", "prepare", "data/.prepared.tmp/"),
        ("data", "crop", "data/.crops.tmp/"),
        ("artifacts", "export_lut --table id_lut", "artifacts/id_lut.h5"),
        ("models/teachers", "train_detector", "models/teachers/detector.safetensors"),
        ("results/students/kd_lut", "infer --student kd_lut", "results/students/kd_lut/detections.h5"),
    ],
)
def test_outputs_of_before_stay(here, folder, command, named):
    before = files(here / folder)
    code, lines = on_a_full_disk(here, folder, command, SPARE)
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: cannot read or write ")
    assert named in lines[0]
    assert "No space left on device" in lines[0]
    assert files(here / folder) == before


def test_a_checkpoint_that_finds_no_room_leaves_those_before(here, monkeypatch):
    """The training ends in one line; with room again, it goes on from what was kept."""
    monkeypatch.setenv("PERSON_SEARCH_CHECKPOINT_STEPS", "1")
    whole = files(here / "models/students")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "remove", lambda _: None)
        assert run_stage(BASELINE).exit_code == 0
    size = max(path.stat().st_size for path in (here / "checkpoints").rglob("step-*"))
    shutil.rmtree(here / "checkpoints")
    code, lines = on_a_full_disk(here, "checkpoints", BASELINE, int(2.6 * size / 1024))
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert "No space left on device" in lines[0]
    kept = list((here / "checkpoints").rglob("step-*"))
    assert len(kept) == 2
    command = [sys.executable, "-m", f"stages.{BASELINE.split(maxsplit=1)[0]}", *BASELINE.split()[1:]]
    result = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert "going on after step 2" in result.stderr
    assert files(here / "models/students") == whole
