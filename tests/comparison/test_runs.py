import json

import numpy as np
import pytest

from pipeline.basics.errors import UserError
from pipeline.evaluation.metric_table import METRICS
from pipeline.reporting.comparison.run_file import QUERIES, QUERY_SCENES, TRUE_BOX_QUERIES
from pipeline.reporting.comparison.runs import COMPARED, average_precisions, read_runs, spreads


def run_of(value):
    run = {QUERIES: [value, 0.5]}
    for metric in COMPARED:
        part, key = METRICS[metric].path
        run.setdefault(part, {})[key] = value
    return run


def test_mean_and_deviation_over_seeds():
    runs = {seed: run_of(value) for seed, value in enumerate((0.1, 0.2, 0.6))}
    reached = spreads(runs)
    assert set(reached) == set(COMPARED)
    for mean, deviation, values in reached.values():
        assert values == [0.1, 0.2, 0.6]
        assert mean == pytest.approx(0.3)
        assert deviation == pytest.approx(np.std(values) * (3 / 2) ** 0.5)
    assert spreads({0: runs[0]})["search_mAP"] == (0.1, 0.0, [0.1])
    assert average_precisions(runs).tolist() == [[0.1, 0.5], [0.2, 0.5], [0.6, 0.5]]


def test_runs_are_read_by_rising_seed(tmp_path):
    path = tmp_path / "student.json"
    path.write_text(json.dumps({"10": run_of(0.1), "2": run_of(0.25)}))
    assert read_runs(path) == {2: run_of(0.25), 10: run_of(0.1)}
    assert list(read_runs(path)) == [2, 10]


def test_runs_with_further_seeds_are_read_with_the_others(tmp_path):
    path, further = tmp_path / "student.json", tmp_path / "further" / "student.json"
    path.write_text(json.dumps({"3": run_of(0.1), "0": run_of(0.25)}))
    assert list(read_runs(path, further)) == [0, 3]
    further.parent.mkdir()
    further.write_text(json.dumps({"2": run_of(0.3)}))
    assert read_runs(path, further) == {0: run_of(0.25), 2: run_of(0.3), 3: run_of(0.1)}
    assert list(read_runs(path, further)) == [0, 2, 3]
    further.write_text(json.dumps({"3": run_of(0.3)}))
    with pytest.raises(UserError, match=r"further/student\.json holds seed 3, as student\.json does"):
        read_runs(path, further)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"0": {}}',
        json.dumps({"0": run_of(None)}),
        json.dumps({"x": run_of(0.1)}),
        json.dumps({"0": run_of(0.1) | {QUERIES: ["a"]}}),
        json.dumps({"0": run_of(0.1) | {TRUE_BOX_QUERIES: [0.1]}}),
        json.dumps({"0": run_of(0.1) | {QUERY_SCENES: ["a.jpg"]}}),
    ],
)
def test_a_damaged_or_missing_file_is_named(tmp_path, content):
    path = tmp_path / "student.json"
    with pytest.raises(UserError, match=r"student\.json is missing"):
        read_runs(path)
    path.write_text(content)
    with pytest.raises(UserError, match=r"student\.json (is damaged|holds no run)"):
        read_runs(path)
