"""`person-search app`: from the command line to a page, and an end without a trace."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner

from commands.main import main

pytest.importorskip("gradio", reason="Gradio is not installed")


def person_search(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def index(weights, pictures):
    people = pictures / "people"
    made = person_search(
        "index", pictures / "gallery", "--weights", weights, "--out", people, "--min-score", 0, "--workers", 0
    )
    assert made.exit_code == 0, made.output
    return people


def test_it_serves_until_it_is_asked_to_end_and_leaves_nothing(index, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "commands.main", "app", "--index", str(index), "--port", "0"]
    environment = os.environ | {"TMPDIR": str(temporary), "HTTP_PROXY": "http://127.0.0.1:9"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/", running.stdout.readline()).group()
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=60) as page:
                assert b"People of people" in page.read()
            assert [one.name[:18] for one in temporary.iterdir()] == ["person-search-app-"]
        finally:
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=60)
    assert said.splitlines()[-1] == "ended"
    assert "Traceback" not in said
    assert running.returncode == 0
    assert list(temporary.iterdir()) == []


def test_what_does_not_belong_together_is_one_line(index, weights, tmp_path):
    missing = person_search("app", "--index", tmp_path / "none", "--weights", weights)
    assert missing.exit_code == 2
    assert "no such folder" in missing.stderr
    moved = weights.rename(weights.with_suffix(".moved"))
    try:
        gone = person_search("app", "--index", index)
    finally:
        moved.rename(weights)
    assert gone.exit_code == 2
    assert "give --weights FILE" in gone.stderr
    for result in (missing, gone):
        assert len(result.stderr.strip().splitlines()) == 1


def test_without_gradio_it_says_how_to_install_it(index, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = person_search("app", "--index", index)
    assert result.exit_code == 2
    assert "pip install '.[app]'" in result.stderr
