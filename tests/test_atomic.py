"""A file is there whole or not at all, even where the power fails."""

import errno
import os
import stat
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


def failing_fsync(number, of_folders):
    """Return an `fsync` that fails for folders, or for files."""
    fsync = os.fsync

    def fail(opened):
        if stat.S_ISDIR(os.fstat(opened).st_mode) == of_folders:
            raise OSError(number, os.strerror(number))
        fsync(opened)

    return fail


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_disk_whose_folders_cannot_be_synced_is_written_to(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing_fsync(number, of_folders=True))
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_whose_files_cannot_be_synced_is_written_to(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing_fsync(number, of_folders=False))
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("of_folders", [True, False])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_what_a_sync_finds_wrong_is_a_failure(number, of_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing_fsync(number, of_folders))
    with pytest.raises(OSError, match=os.strerror(number)):
        write_atomically(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == (["a.txt"] if of_folders else [])


def test_a_folder_that_may_be_written_to_but_not_read(tmp_path, monkeypatch):
    open_ = os.open

    def refused(path, *arguments):
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_(path, *arguments)

    monkeypatch.setattr(os, "open", refused)
    write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("name", ["a" * 255, "人" * 85])
def test_the_longest_names(name, tmp_path):
    write_atomically(tmp_path / name, "new")
    assert (tmp_path / name).read_text() == "new"
