import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.reporting.speed import Speed, Timing, write_speed
from pipeline.reporting.summary import summarise
from pipeline.reporting.table import columns, markdown_table, parts, table_lines
from tests.reporting.test_summary import metrics

ROOT = Path(__file__).parents[2]
SUMMARY = summarise({"baseline": metrics(0.25), "kd_lut": metrics(1.0)}, metrics(0.875))


@pytest.fixture
def results(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/summary.json").write_text(json.dumps(SUMMARY))
    monkeypatch.chdir(tmp_path)

    def run(*options):
        return CliRunner().invoke(main, ["results", *options], env={"COLUMNS": "80"})

    return run


def test_the_table_fits_a_terminal_whole(results):
    result = results()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in result.stdout
    for name, cells in table_lines(SUMMARY).items():
        for names in parts().values():
            assert [*name.split(), *(cells[column] for column in names)] in [line.split() for line in lines]
    for word in " ".join(metric.title for metric in columns().values()).split():
        assert word in result.stdout
    assert lines[-1] == "kd_lut against baseline: search mAP +75.0, COCO AP50 +75.0 points"


def test_measured_milliseconds_are_shown_with_the_machine(results, tmp_path):
    assert "median of an image" not in results().stdout
    write_speed(
        tmp_path / "results/speed.json",
        Speed(machine="a machine", timings={"kd_lut": Timing(milliseconds=41.6, parameters=1.0)}),
    )
    said = results().stdout
    assert "ms: median of an image, a machine" in said
    assert ["kd_lut", "0.00", "0.00", "42"] in [line.split() for line in said.splitlines()]


def test_markdown(results):
    assert results("--markdown").stdout == markdown_table(SUMMARY)


def test_another_file(results, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps(SUMMARY | {"kd_lut": SUMMARY["baseline"]}))
    assert "search mAP +0.0" in results("--summary", "other.json").stdout


def test_no_results_yet(results, tmp_path):
    (tmp_path / "dvc.yaml").touch()
    result = results("--summary", "nowhere.json")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "Error: no results yet (nowhere.json is missing); run `dvc repro` or `make repro`"
    ]


@pytest.mark.parametrize("options", [[], ["--markdown"]])
def test_outside_a_project(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["results", *options])
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: no dvc.yaml here; run this in the project's root, "
        "or give --summary the summary.json of a project\n"
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_terminal_without_utf_8(encoding, tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    command = "from commands.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", command, "results", "--summary", str(tmp_path / "summary.json")],
        env=os.environ | {"COLUMNS": "20", "PYTHONIOENCODING": encoding},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert b"?" in result.stdout
