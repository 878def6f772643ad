"""Which kind of file something is, and what is said of a path at which no readable file is."""

import os
import pickle
from io import BytesIO

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import save
from scipy.io import savemat

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file, kind_of, restoring


def write_hdf5(path, **options):
    with h5py.File(path, "w", **options) as file:
        file["x"] = 1


MAKERS = {
    "an HDF5 file": write_hdf5,
    "a NumPy archive (.npz)": lambda path: path.open("wb").write(npz()),
    "a single NumPy array (.npy)": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "a MATLAB file (.mat)": lambda path: savemat(path.open("wb"), {"a": np.zeros(2)}),
    "a PyTorch file (.pth)": lambda path: torch.save({"a": torch.ones(2)}, path),
    "a pickle of Python objects": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "a file of weights (safetensors)": lambda path: path.write_bytes(save({"a": np.zeros(3)})),
    "an ONNX model": lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch" + bytes(range(99))),
    "a pointer of Git LFS (`git lfs pull` brings the file itself)": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"
    ),
    "a web page (HTML)": lambda path: path.write_text("\n<!DOCTYPE html>\n<html>404</html>"),
    "a JSON text": lambda path: path.write_text('{"name": "wąż"}'),
    "a text": lambda path: path.write_text("人" * 2000),
    "a ZIP archive, cut off or damaged": lambda path: path.write_bytes(npz()[:-30]),
    "empty (0 bytes)": lambda path: path.write_bytes(b""),
    None: lambda path: path.write_bytes(b"\xfe\x01\x00\x07" * 50),
}


def npz():
    content = BytesIO()
    np.savez(content, a=np.zeros(3))
    return content.getvalue()


@pytest.mark.parametrize("kind", MAKERS)
def test_the_first_bytes_tell_the_kind(kind, tmp_path):
    MAKERS[kind](tmp_path / "file.h5")
    assert kind_of(tmp_path / "file.h5") == kind


@pytest.mark.parametrize("header", [0x02 * 256 + 0x80, 128, 640])
def test_weights_whose_header_length_looks_like_a_pickle(header, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(header.to_bytes(8, "little") + b"{}".ljust(header))
    assert kind_of(path) == "a file of weights (safetensors)"


@pytest.mark.parametrize("size", [512, 2048])
def test_hdf5_behind_other_bytes(size, tmp_path):
    write_hdf5(tmp_path / "file.h5", userblock_size=size)
    assert kind_of(tmp_path / "file.h5") == "an HDF5 file"


def test_what_is_said_of_each_thing_that_is_no_file(tmp_path):
    (tmp_path / "dangling").symlink_to("gone")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for name, says in {
        "absent": "^nothing here$",
        "file/below": "^nothing here$",
        ".": "is a folder; give a file",
        "dangling": "dangling is a link to gone, which does not exist",
        "pipe": "is a pipe or a device",
    }.items():
        with pytest.raises(UserError, match=says):
            check_is_file(tmp_path / name, "nothing here")
    check_is_file(tmp_path / "file", "nothing here")


def test_the_system_has_its_own_words(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels") as error:
        check_is_file(tmp_path / "loop", "nothing here")
    assert error.value.filename == str(tmp_path / "loop")
    with pytest.raises(OSError, match="name too long"):
        check_is_file(tmp_path / ("a" * 300), "nothing here")


def test_dvc_is_named_inside_a_project_only(tmp_path, monkeypatch):
    (tmp_path / "project/.dvc").mkdir(parents=True)
    (tmp_path / "project/data").mkdir()
    assert "`dvc checkout`" in restoring(tmp_path / "project/data/a.h5", "dvc repro")
    assert "`dvc repro prepare`" in restoring(tmp_path / "project/a.h5", "dvc repro prepare")
    assert "dvc" not in restoring(tmp_path / "a.h5", "dvc repro").lower()
    monkeypatch.chdir(tmp_path / "project")
    assert "`dvc checkout`" in restoring(type(tmp_path)("a.h5"), "dvc repro")
    assert "dvc" not in restoring(type(tmp_path)("../a.h5"), "dvc repro").lower()
