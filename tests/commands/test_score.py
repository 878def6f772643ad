import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.basics.json_files import json_text
from pipeline.datasets.sources import open_data_set
from pipeline.evaluation.detections_file import read_detections, write_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate

CASES = Path(__file__).parents[1] / "fixtures" / "protocol-cases" / "quirks"


def score(dataset, *options, dump=None):
    short = dataset.split("_")[0]
    paths = ["--root", str(CASES / short), "--detections", str(dump or CASES / f"{short}_dump.npz")]
    return CliRunner().invoke(main, ["score", "--dataset", dataset, *paths, *options])


def expected(short):
    return json.loads((CASES / f"{short}_expected.json").read_text())


@pytest.mark.parametrize("dataset", ["cuhk_sysu", "prw"])
def test_json_is_what_metrics_json_holds(dataset):
    short = dataset.split("_")[0]
    split = open_data_set(dataset, CASES / short).splits()["test"]
    detections = read_detections(CASES / f"{short}_dump.npz")
    result = score(dataset, "--json")
    assert result.exit_code == 0
    assert result.stdout == json_text(evaluate(split, detections, EvaluationOptions(), dataset))


def test_options_reach_the_protocol():
    result = score("cuhk_sysu", "--json", "--cbgm", "--gallery-size", "50", "--gallery-size", "full")
    metrics = json.loads(result.stdout)
    assert list(metrics["search_by_gallery"]) == ["50", "full"]
    assert metrics["search_by_gallery"]["50"] == pytest.approx(expected("cuhk")["search_with_cbgm"]["G50"])
    assert metrics["search"] == pytest.approx(expected("cuhk")["search_with_cbgm"]["G100"])
    options = ("--detection-threshold", "0.01", "--search-threshold", "0.4", "--duplicates", "original")
    protocol = json.loads(score("cuhk_sysu", "--json", *options).stdout)["protocol"]
    assert (protocol["detection_threshold"], protocol["search_threshold"]) == (0.01, 0.4)
    assert protocol["duplicates"] == "original"


def test_cross_camera():
    metrics = json.loads(score("prw", "--json", "--cross-camera").stdout)
    assert metrics["search"] == pytest.approx(expected("prw")["search"]["cross_camera"])


def test_our_own_format_gives_the_same(tmp_path):
    write_detections(read_detections(CASES / "prw_dump.npz"), tmp_path / "d.h5")
    assert score("prw", "--json", dump=tmp_path / "d.h5").stdout == score("prw", "--json").stdout


def test_a_table_in_percent():
    result = score("prw", "--detection-threshold", "0.01")
    assert result.exit_code == 0
    for text in ("43.56", "41.76", "77.46", "90.17", "full *", "cross_camera"):
        assert text in result.stdout


def test_images_without_an_entry_are_warned_about(tmp_path):
    arrays = dict(np.load(CASES / "prw_dump.npz"))
    kept = len(arrays["gallery_names"]) - 2
    rows = int(arrays["gallery_counts"][:kept].sum())
    for name in ("gallery_names", "gallery_counts"):
        arrays[name] = arrays[name][:kept]
    for name in ("gallery_dets", "gallery_feats"):
        arrays[name] = arrays[name][:rows]
    np.savez(tmp_path / "cut.npz", **arrays)
    result = score("prw", "--json", dump=tmp_path / "cut.npz")
    assert result.exit_code == 0
    assert "warning: 2 test images" in result.stderr
    assert json.loads(result.stdout)["protocol"]["counts"]["scenes_without_entry"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gallery-size", "70"), "70"),
        (("--gallery-size", "fifty"), "give a number"),
        (("--cross-camera",), "no cameras"),
        (("--search-threshold", "7"), "search_threshold"),
        (("--duplicates", "thrice"), "thrice"),
    ],
)
def test_mistakes_end_in_one_line(options, message):
    result = score("cuhk_sysu", *options)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_detections_of_another_data_set():
    result = score("prw", dump=CASES / "cuhk_dump.npz")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "query 0 is taken from 's25.jpg'" in result.stderr


def test_no_such_file(tmp_path):
    result = score("prw", dump=tmp_path / "absent.npz")
    assert result.exit_code == 2
    assert "no such file" in result.stderr
