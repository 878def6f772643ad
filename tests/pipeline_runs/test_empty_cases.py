"""Data in which something is nobody or nothing: the stages run through, and their figures are defined."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.basics.tsv_files import read_tsv
from pipeline.datasets.packing import prepare
from pipeline.evaluation.detections_file import read_detections
from pipeline.scenes.scene import UNLABELLED, Galleries
from tests.pipeline_runs.in_process import refused, run_stage
from tests.pipeline_runs.stage_graph import nodes, students
from tests.pipeline_runs.tiny_parameters import tiny_parameters, write_parameters
from tests.tiny import EMPTY_SCENE, TRAIN_SCENES, TinyDataSet, silent

BASELINE = "train_student --student baseline"
EXPORT = "export_lut --table id_lut"
EVALUATE = [f"evaluate --student {row}" for row in students()]


class Changed(TinyDataSet):
    """The tiny data set with each split put through a function."""

    def __init__(self, **changes):
        self.changes = changes

    def splits(self):
        return {name: self.changes.get(name, _same)(split) for name, split in super().splits().items()}


def _same(split):
    return split


def without_labels(kept):
    """Return a change that takes the identities away from all scenes but the first `kept`."""

    def change(split):
        scenes = tuple(
            scene if index < kept else replace(scene, person_ids=np.full_like(scene.person_ids, UNLABELLED))
            for index, scene in enumerate(split.scenes)
        )
        return replace(split, scenes=scenes, identities=split.identities if kept else ())

    return change


def without_matches(split):
    """Return the split with galleries that do not hold whom the queries look for."""
    zeros = np.zeros(len(split.queries) + 1, dtype=np.int64)
    none = np.zeros(0, dtype=np.int64)
    galleries = Galleries("all", zeros, none.astype(np.int32), zeros, none, np.zeros((0, 4)))
    return replace(split, galleries={"full": galleries})


def without_queries(split):
    """Return the split without anybody to look for."""
    return without_matches(replace(split, queries=()))


def without_people(split):
    """Return the split with nobody in any scene, and so no queries."""
    empty = (np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
    scenes = tuple(replace(scene, boxes=empty[0], person_ids=empty[1]) for scene in split.scenes)
    return replace(without_queries(split), scenes=scenes, identities=())


def finite(value):
    if isinstance(value, dict):
        return all(finite(below) for below in value.values())
    return not isinstance(value, float) or math.isfinite(value)


def metrics_of(folder, row):
    """Read a row's metrics, having seen that each figure is a number."""
    place = row if row == "teachers" else f"students/{row}"
    metrics = json.loads((folder / f"results/{place}/metrics.json").read_text())
    assert finite(metrics)
    return metrics


def run_through(*commands):
    for command in commands:
        result = run_stage(command)
        assert result.exit_code == 0, result.stderr


def run_everything_behind_prepare():
    run_through(*(node.command for name, node in nodes().items() if name != "prepare"))


def one_scene_a_step(folder):
    """Let the students' training see each scene once, one a step."""
    values = tiny_parameters()
    values["train_student"]["training"] |= {"steps": TRAIN_SCENES, "batch_size": 1}
    write_parameters(folder, values)


def train_of(row):
    return nodes()[f"train_student@{row}"].command


def test_the_tiny_data_set_runs_through_with_its_empty_scene(here):
    data = prepare(TinyDataSet(), here / "data/prepared", silent)
    assert not len(data.split("test").scenes[EMPTY_SCENE].boxes)
    run_everything_behind_prepare()
    for row in students():
        assert metrics_of(here, row)["protocol"]["counts"]["scenes_without_entry"] == 0


@pytest.mark.parametrize("row", students())
def test_steps_without_anybody_labelled(here, row):
    """Each scene is a step of its own, and only the first three have labelled people."""
    prepare(Changed(train=without_labels(3)), here / "data/prepared", silent)
    one_scene_a_step(here)
    run_through("crop", "train_reid", EXPORT, "train_detector", train_of(row))
    history = read_tsv(here / f"results/students/{row}/training.tsv")
    assert len(history["step"]) == TRAIN_SCENES
    assert all(math.isfinite(value) for column in history.values() for value in column)
    assert sum(value > 0 for value in history["identity"]) == 3


def test_nobody_labelled_at_all(here):
    """Only the detectors and the student without a teacher have something to learn."""
    prepare(Changed(train=without_labels(0)), here / "data/prepared", silent)
    one_scene_a_step(here)
    run_through("crop", "train_detector", BASELINE, "infer --student baseline", "evaluate --student baseline")
    assert not any(read_tsv(here / "results/students/baseline/training.tsv")["identity"])
    metrics_of(here, "baseline")
    assert "needs two" in refused(here, "train_reid")
    assert "nobody in the train split is labelled" in refused(here, EXPORT)
    assert "data set 'synthetic', the data are 'tiny'; 8 rows are of no identity" in refused(
        here, "train_student --student kd_lut"
    )


def test_queries_whose_person_is_in_no_gallery_image(here):
    data = prepare(Changed(test=without_matches), here / "data/prepared", silent)
    queries = len(data.split("test").queries)
    assert queries
    run_everything_behind_prepare()
    for row in students():
        metrics = metrics_of(here, row)
        assert not any(metrics["search"].values())
        assert metrics["protocol"]["counts"]["queries_without_match"] == {"full": queries}


@pytest.mark.parametrize("change", [without_queries, without_people])
def test_nobody_to_look_for(here, change):
    prepare(Changed(test=change), here / "data/prepared", silent)
    run_through(*(f"infer --student {row}" for row in students()), *EVALUATE, "evaluate_teachers")
    for row in (*students(), "teachers"):
        metrics = metrics_of(here, row)
        assert not any(metrics["search"].values())
        assert metrics["protocol"]["counts"]["queries"] == 0
    report = nodes()["report"].command
    assert "has no queries to draw" in refused(here, report)


def test_nobody_to_learn_from(here):
    """No scene of the training split has anybody in it."""
    prepare(Changed(train=without_people), here / "data/prepared", silent)
    run_through("crop", "train_detector", BASELINE)
    assert "needs two" in refused(here, "train_reid")


def test_thresholds_that_no_detection_reaches(here):
    values = tiny_parameters()
    values["evaluate"] |= {"search_threshold": 1.0, "detection_threshold": 1.0}
    write_parameters(here, values)
    run_through(*EVALUATE, "evaluate_teachers", nodes()["report"].command)
    for row in (*students(), "teachers"):
        metrics = metrics_of(here, row)
        assert metrics["protocol"]["counts"]["detections_searched"] == 0
        assert not any(metrics["search"].values())
        assert metrics["detection"]["ap"] == metrics["detection"]["recall"] == 0


def test_networks_that_detect_nothing(here):
    values = tiny_parameters()
    values["evaluate"]["cbgm"] = True
    for section in ("train_detector", "train_student"):
        values[section]["network"] = values[section].get("network", {}) | {"roi": {"score_threshold": 0.999}}
    write_parameters(here, values)
    run_through(*(node.command for name, node in nodes().items() if name not in ("prepare", "crop")))
    for row in students():
        assert not len(read_detections(here / f"results/students/{row}/detections.h5").gallery_dets)
    for row in (*students(), "teachers"):
        metrics = metrics_of(here, row)
        assert metrics["protocol"]["counts"]["detections"] == 0
        assert not any(metrics["search"].values())
        assert not any(metrics["detection"].values())
