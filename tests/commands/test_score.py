import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.basics.json_files import json_text
from pipeline.datasets.sources import open_data_set
from pipeline.evaluation.detections_file import read_detections, write_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from tests.evaluation.pair_cases import as_pairs, chosen_pairs

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


def pairs_dump(folder, short, kept=slice(None)):
    detections = as_pairs(read_detections(CASES / f"{short}_dump.npz"))
    some = chosen_pairs(detections, np.arange(len(detections.pair_queries))[kept])
    arrays = {item.name: getattr(some, item.name) for item in fields(some)}
    np.savez(folder / "pairs.npz", **{name: array for name, array in arrays.items() if array is not None})
    return folder / "pairs.npz"


@pytest.mark.parametrize("dataset", ["cuhk_sysu", "prw"])
def test_pairs_of_a_query_guided_network(dataset, tmp_path):
    dump = pairs_dump(tmp_path, dataset.split("_")[0])
    got, wanted = score(dataset, "--json", dump=dump), score(dataset, "--json")
    assert got.exit_code == 0
    for name in ("search", "search_by_gallery", "search_cross_camera", "detection"):
        assert json.loads(got.stdout)[name] == json.loads(wanted.stdout)[name]
    assert json.loads(got.stdout)["protocol"]["query_guided"] is True
    assert "query_guided" not in wanted.stdout
    assert "Query-guided search, %" in score(dataset, dump=dump).stdout


def test_galleries_that_lack_pairs(tmp_path):
    split = open_data_set("cuhk_sysu", CASES / "cuhk").splits()["test"]
    of_100 = [
        set(split.galleries["100"].of_query(index, query.scene, split.cameras).scenes.tolist())
        for index, query in enumerate(split.queries)
    ]
    names = read_detections(CASES / "cuhk_dump.npz").gallery_names
    place = {scene.name: index for index, scene in enumerate(split.scenes)}
    kept = [place[name] in scenes for scenes in of_100 for name in names]
    dump = pairs_dump(tmp_path, "cuhk", np.array(kept))
    said = score("cuhk_sysu", dump=dump)
    assert said.exit_code == 0
    assert "Gallery full is not scored: " in said.stdout
    refused = score("cuhk_sysu", "--gallery-size", "full", dump=dump)
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert "gallery 'full' lacks" in line and "infer.galleries of params.yaml" in line
    refused = score("cuhk_sysu", "--cbgm", dump=dump)
    assert refused.exit_code == 2
    assert "CBGM needs one embedding for each detection" in refused.stderr.splitlines()[-1]
