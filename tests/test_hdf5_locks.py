"""HDF5 files that another program holds, or that are on a disk without locks: read, or the reason is true."""

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from commands.main import main
from commands.verification import Output, check_output, md5_of
from pipeline.basics.errors import UserError
from pipeline.basics.hdf5 import open_hdf5, why_unreadable
from pipeline.evaluation.detections_file import read_detections, write_detections
from pipeline.lookup_table import read_lookup_table, write_lookup_table
from pipeline.scenes.shards import ImageShards, read_annotations, write_annotations, write_images
from tests.evaluation.cases import random_case
from tests.test_lookup_table import table_of
from tests.tiny import TinyDataSet

FILES = {
    "table": (lambda path: write_lookup_table(path, table_of()), read_lookup_table),
    "detections": (lambda path: write_detections(random_case(6)[1], path), read_detections),
    "pictures": (lambda path: write_images(path, [b"12", b"3"]), lambda path: ImageShards([path])[0]),
    "annotations": (lambda path: write_annotations(path, TinyDataSet().splits()["test"]), read_annotations),
    "verify": (
        lambda path: write_lookup_table(path, table_of()),
        lambda path: sound(list(check_output(Output(path, md5_of(path)), path.parent))),
    ),
}
"""By kind: how a file is written, and how it is read."""
every_kind = pytest.mark.parametrize("kind", FILES)


def sound(findings):
    assert [finding.kind for finding in findings] == ["sound"]


@contextmanager
def locked(path):
    """Have a file locked by another open file, as an HDF5 library does that writes to it."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@every_kind
def test_what_another_program_has_locked_is_read(kind, tmp_path):
    write, read = FILES[kind]
    write(tmp_path / "a.h5")
    with locked(tmp_path / "a.h5"):
        read(tmp_path / "a.h5")


@every_kind
def test_no_reader_asks_for_a_lock(kind, tmp_path, monkeypatch):
    """So a disk without locks is no obstacle."""
    write, read = FILES[kind]
    write(tmp_path / "a.h5")
    opened, asked = h5py.File, []

    def noted(*arguments, **options):
        asked.append(options.get("locking"))
        return opened(*arguments, **options)

    monkeypatch.setattr(h5py, "File", noted)
    read(tmp_path / "a.h5")
    assert asked == [False]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOLCK, errno.EMFILE, errno.EIO])
@every_kind
def test_what_the_system_says_is_said_and_nothing_called_damaged(kind, number, tmp_path, monkeypatch):
    write, read = FILES[kind]
    write(tmp_path / "a.h5")

    def refused(*_arguments, **_options):
        raise OSError(number, f"[Errno {number}] Unable to synchronously open file (errno = {number})")

    monkeypatch.setattr(h5py, "File", refused)
    if kind == "verify" and number != errno.EIO:
        (finding,) = check_output(Output(tmp_path / "a.h5", md5_of(tmp_path / "a.h5")), tmp_path)
        assert (finding.kind, finding.what) == ("unread", f"cannot be read ({os.strerror(number)})")
    elif kind != "verify":
        with pytest.raises((OSError, UserError), match=os.strerror(number)) as error:
            read(tmp_path / "a.h5")
        assert "a.h5" in str(error.value)
        assert "damaged" not in str(error.value)
        assert "dvc" not in str(error.value)


WRITER = """
import sys, h5py
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2])
file["gallery_feats"] = [[1.0, 2.0]]
if sys.argv[3] == "flush":
    file.flush()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("flushed", ["flush", "no"])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_detections_that_another_program_still_writes_are_not_taken_half(version, flushed, tmp_path):
    path = tmp_path / "d.h5"
    command = [sys.executable, "-c", WRITER, str(path), version, flushed]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(
            UserError, match=r"d.h5.*(another program has it open|empty \(0 bytes\))"
        ) as error:
            read_detections(path)
        assert "damaged" not in str(error.value)
        writer.stdin.close()


def test_a_file_whose_writer_was_killed(tmp_path):
    path = tmp_path / "d.h5"
    command = [sys.executable, "-c", WRITER, str(path), "latest", "flush"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        writer.kill()
    with pytest.raises(UserError, match="the program that wrote it did not close it"):
        read_detections(path)


def test_a_file_that_claims_more_than_the_memory(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format_version"] = 1
        for name in ("features", "gallery_names"):
            file.create_dataset(name, (10**14,), chunks=(1000,), dtype="f8")
    for read in (read_lookup_table, read_detections):
        with pytest.raises(UserError, match="larger than the memory"):
            read(tmp_path / "a.h5")


def test_an_hdf5_error_without_a_number_is_of_the_content(tmp_path):
    write_lookup_table(tmp_path / "a.h5", table_of())
    reason = why_unreadable(tmp_path / "a.h5", OSError("bad object header"))
    assert reason == ("bad object header", True)
    with open_hdf5(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["features"][:], table_of().features)


@pytest.mark.parametrize("name", ["w.safetensors", "t.npz", "lfs.h5"])
def test_another_kind_of_file_is_named_and_nothing_of_dvc_advised(name, tmp_path, monkeypatch):
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    content = {
        "w.safetensors": (8).to_bytes(8, "little") + b"{}      ",
        "lfs.h5": b"version https://git-lfs.github.com/spec/v1\n",
    }
    (tmp_path / name).write_bytes(content.get(name, b""))
    if name == "t.npz":
        np.savez(tmp_path / name, a=1)
    result = CliRunner().invoke(main, ["lut", name])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert {"w.safetensors": "weights", "t.npz": "NumPy archive", "lfs.h5": "Git LFS"}[name] in result.stderr
    assert "dvc" not in result.stderr
