"""A file is there whole or not at all, even where the power fails."""

import os
from pathlib import Path

import pytest

from pipeline.basics.atomic import write_atomically


def test_content_is_on_the_disk_before_it_takes_the_place(tmp_path, monkeypatch):
    happened = []
    replace, fsync = Path.replace, os.fsync

    def noted_replace(path, target):
        happened.append("replace")
        return replace(path, target)

    def noted_fsync(opened):
        happened.append(f"fsync {Path(f'/proc/self/fd/{opened}').readlink().suffix or 'folder'}")
        fsync(opened)

    monkeypatch.setattr(Path, "replace", noted_replace)
    monkeypatch.setattr(os, "fsync", noted_fsync)
    (tmp_path / "here").mkdir()
    write_atomically(tmp_path / "here/a.txt", "new")
    assert happened == ["fsync .tmp", "replace", "fsync folder"]
    assert (tmp_path / "here/a.txt").read_text() == "new"


def test_where_the_disk_refuses_the_old_file_stays_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")

    def full(_opened):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_atomically(path, "new")
    assert refused.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_named_that_was_to_be_written_and_not_the_one_beside(tmp_path, monkeypatch):
    def refused(path, _content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(PermissionError) as error:
        write_atomically(tmp_path / "a.txt", "new")
    assert error.value.filename == str(tmp_path / "a.txt")
