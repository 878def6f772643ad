"""Whether a file can be written is known before the work, and asking leaves nothing."""

import errno
import os

import pytest

from pipeline.basics import writable
from pipeline.basics.errors import UserError
from pipeline.basics.writable import check_can_write, obstacle_to


@pytest.mark.parametrize("place", ["out.h5", "there/out.h5", "there/deep/er/out.h5", "there/old.h5"])
def test_nothing_is_in_the_way_and_nothing_is_left(place, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/old.h5").write_text("old")
    assert obstacle_to(tmp_path / place) is None
    check_can_write(tmp_path / place)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old.h5", "there"]
    assert (tmp_path / "there/old.h5").read_text() == "old"


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file/out.h5", "file is a file"),
        ("file/deep/er/out.h5", "file is a file"),
        ("gone/out.h5", "gone is a file"),
        ("folder", "folder is a folder, so no file can be written there"),
    ],
)
def test_what_is_in_the_way_is_named(place, reason, tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    with pytest.raises(UserError) as error:
        check_can_write(tmp_path / "fine", tmp_path / place)
    assert str(error.value) == f"{tmp_path / place} could not be written at the end: {tmp_path / reason}"


@pytest.mark.parametrize("place", ["out.h5", "deeper/out.h5"])
def test_what_the_system_says_is_told(place, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(writable, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(writable, "TemporaryDirectory", refuse)
    reason = f"nothing can be written to {tmp_path} (Read-only file system)"
    assert obstacle_to(tmp_path / place) == (reason, "give another folder")
