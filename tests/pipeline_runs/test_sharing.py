"""The results passed on: pushed to a remote, and pulled into somebody else's clone."""

import pytest
import yaml

from tests.pipeline_runs.stage_graph import nodes


@pytest.fixture(scope="module")
def remote(finished, tmp_path_factory):
    """A folder that the finished project was pushed to."""
    folder = tmp_path_factory.mktemp("remote")
    sender = finished.copy(tmp_path_factory.mktemp("sender") / "project")
    sender.use_remote(folder)
    sender.run("dvc", "push")
    return folder


@pytest.fixture
def clone(finished, remote, tmp_path):
    """A fresh clone, with no data in it yet."""
    return finished.clone(tmp_path / "clone", remote)


def test_a_clone_that_pulled_has_nothing_to_run(finished, clone):
    clone.run("dvc", "pull")
    again = clone.repro()
    assert not again.ran
    assert set(again.skipped) == set(nodes())
    assert not clone.run("git", "status", "--porcelain")
    for node in nodes().values():
        for path in node.makes:
            assert (clone.root / path).exists()
    assert clone.lock() == finished.lock()


def test_a_damaged_object_in_the_remote_is_refused(finished, clone, remote):
    table = "artifacts/id_lut.h5"
    stage = yaml.safe_load(finished.lock())["stages"]["export_lut"]
    (entry,) = [out for out in stage["outs"] if out["path"] == table]
    stored = remote / "files" / "md5" / entry["md5"][:2] / entry["md5"][2:]
    content = stored.read_bytes()
    assert content == (finished.root / table).read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        clone.run("dvc", "pull", table, exit_code=1)
    finally:
        stored.write_bytes(content)
    assert not (clone.root / table).exists()
    clone.run("dvc", "pull", table)
    assert (clone.root / table).read_bytes() == content
