"""The pipeline on real frames: its dvc.yaml, params.yaml, comparisons and tries against the code.

Its data, weights and teachers are not in the project, so nothing is run here.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from commands.tune import _read_tries
from person_search.detectors.description import read_description as read_detector
from pipeline.basics.options import merged, parse_options
from pipeline.evaluation.metrics import EvaluationOptions
from pipeline.inference.options import InferenceOptions
from pipeline.inference.teachers.description import read_description
from pipeline.reporting.comparison.groups import read_comparisons
from pipeline.training.student.options import NO_DETECTOR, NO_TABLE, StudentOptions, check_teachers
from stages.ablation.two_step import HISTOGRAM
from stages.export_lut import ExportOptions, TableOptions
from stages.prepare import DataSetOptions
from stages.support.parameters import read_parameters
from tools.stage_dependencies import definition

ROOT = Path(__file__).parents[1]
OWN_DATA = ROOT / "own_data"
FOLDERS = ("data_labelled", "data_detected")
STAGES = yaml.safe_load((OWN_DATA / "dvc.yaml").read_text())["stages"]
PARAMS = {folder: read_parameters(OWN_DATA / folder / "params.yaml") for folder in FOLDERS}
STUDENTS = PARAMS["data_labelled"]["students"]
SECTIONS = {
    "dataset": DataSetOptions,
    "export_lut": ExportOptions,
    "infer": InferenceOptions,
    "evaluate": EvaluationOptions,
}
"""The sections that one class reads; there are no teachers to train."""
RUN_IN = {
    "students": "data_labelled",
    "students_and_teacher": "data_labelled",
    "students_detected": "data_detected",
}
"""The folder in which the students of a stage are run."""
COMPARISONS = read_comparisons(OWN_DATA / "comparisons.yaml")
TRIES = _read_tries(OWN_DATA / "tuning/tries.yaml")
RATES = _read_tries(OWN_DATA / "tuning/learning_rate.yaml")

SMALL = TRIES["oim"][0]["network"]
"""The pictures that tries see, whose students train in less time."""

every_folder = pytest.mark.parametrize("folder", FOLDERS)
every_student = pytest.mark.parametrize("student", STUDENTS)


def options_of(student, changes=None):
    values = PARAMS["data_labelled"]
    common = merged({"network": values["network"]}, values["train_student"])
    own = merged(merged(common, values["students"][student]), changes or {})
    return parse_options(StudentOptions, own, student)


def inner(name):
    return STAGES[name].get("do", STAGES[name])


@every_folder
def test_every_section_is_valid(folder):
    values = PARAMS[folder]
    assert set(values) == {*SECTIONS, "network", "train_student", "students", "tables"}
    for section, options in SECTIONS.items():
        parse_options(options, values[section], f"{folder}: {section}")
    for name, table in values["tables"].items():
        parse_options(TableOptions, table, f"{folder}: tables.{name}")


@every_student
def test_every_student_names_the_teachers_that_it_needs(student):
    options = options_of(student)
    check_teachers(options, student)
    tables = [f"artifacts/{name}.h5" for name in PARAMS["data_labelled"]["tables"]]
    assert options.table in (NO_TABLE, *tables)
    assert options.detector == NO_DETECTOR


@every_student
def test_students_differ_in_what_teaches_them_alone(student):
    """So also in steps, batches, network and learning rate they are alike."""
    plain = options_of("oim")
    own = options_of(student)
    same = {"table": plain.table, "identity": plain.identity, "boxes": plain.boxes}
    assert own.model_copy(update=same) == plain


def test_the_targets_by_person_and_by_box():
    kinds = {
        (own.identity and own.identity.target, own.boxes and own.boxes.target)
        for own in map(options_of, STUDENTS)
    }
    assert kinds == {("oim", None), ("lut", None), ("kl", None), (None, "cosine"), (None, "kl")}
    assert options_of("box_kl_detected") == options_of("box_kl")


def test_detected_boxes_are_of_the_training_frames_and_searched_are_the_same_people():
    labelled, detected = (parse_options(DataSetOptions, PARAMS[name]["dataset"], name) for name in FOLDERS)
    *searched, found = detected.parts
    assert {part.only for part in labelled.parts} == {None}
    assert searched == [part.model_copy(update={"only": ("test",)}) for part in labelled.parts]
    assert (found.name, found.root) == ("pictures", "data/annotated")
    assert labelled.searched == detected.searched == "all"
    assert labelled.validation is not None and detected.validation is None
    assert f"--out {found.root}" in STAGES["annotate"]["cmd"]


def test_the_tables_of_both_folders_are_of_one_teacher():
    labelled, detected = (PARAMS[name]["tables"]["retail_0287"] for name in FOLDERS)
    assert labelled | {"level": "box"} == detected | {"level": "box"}
    assert (labelled["level"], detected["level"]) == ("both", "box")


def test_the_descriptions_of_the_teachers_are_valid():
    reid = read_description(OWN_DATA / "descriptions/retail_0287.onnx")
    assert (reid.height, reid.width, reid.channels, reid.scale, reid.batch) == (256, 128, "bgr", 255, 1)
    assert reid.mirror and reid.trained_on is None
    detector = read_detector(OWN_DATA / "descriptions/adas_0002.onnx")
    assert (detector.layout, detector.channels, detector.units) == ("boxes_scores", "bgr", "fractions")


@pytest.mark.parametrize("student", TRIES)
def test_tries_are_settings_of_the_student(student):
    assert len(TRIES[student]) == 3
    tried = [options_of(student, changes) for changes in TRIES[student]]
    own = options_of(student)
    assert (own.identity, own.boxes) in [(one.identity, one.boxes) for one in tried]
    assert len({own.model_dump_json() for own in tried}) == len(tried)
    (length,) = {own.training.steps for own in tried}
    assert length < options_of(student).training.steps
    for own in tried:
        check_teachers(own, student)
        assert bool(own.identity) == bool(options_of(student).identity)


@pytest.mark.parametrize("student", ["oim", "box_kl"])
def test_the_learning_rate_is_tried_alone(student):
    tried = [options_of(student, changes) for changes in RATES[student]]
    assert set(RATES) == {"oim", "box_kl"}
    rates = {own.training.learning_rate for own in tried}
    assert len(rates) == len(tried) == 3 and options_of(student).training.learning_rate in rates
    plain, small = options_of(student), options_of(student, {"network": SMALL})
    assert all(own.model_copy(update={"training": plain.training}) == small for own in tried)


def test_tries_are_of_pictures_as_large_as_those_of_the_runs_with_the_same_anchors():
    changes = [change for tried in (*TRIES.values(), *RATES.values()) for change in tried]
    assert all(change["network"] == SMALL for change in changes)
    full = options_of("oim").network
    assert (full.short_side, full.long_side) == (SMALL["short_side"], SMALL["long_side"])
    assert full.rpn.anchor_sizes == SMALL["rpn"]["anchor_sizes"]


def test_all_students_but_the_detectors_are_tried():
    assert set(TRIES) == set(STUDENTS) - {"box_kl_detected"}


def test_every_student_is_run_once():
    run = [name for stage in RUN_IN for name in STAGES[stage]["foreach"]]
    assert sorted(run) == sorted(STUDENTS)
    for stage, folder in RUN_IN.items():
        assert inner(stage)["wdir"] == folder
        for name, entry in STAGES[stage]["foreach"].items():
            assert entry == f"${{students.{name}}}"


def made_by(stage):
    """The runs that a stage makes, `folder/student`, by the commands' `--two-step`."""
    folder, two_step = RUN_IN[stage], re.findall(r"--two-step (\w+)", inner(stage)["cmd"])
    assert {HISTOGRAM} <= set(two_step) <= {HISTOGRAM, *PARAMS[folder]["tables"]}
    ends = ["", *(f"_by_{who}" for who in two_step)]
    files = [next(iter(entry)) for entry in inner(stage)["metrics"]]
    assert files == [f"results/${{key}}{end}.json" for end in ends]
    return {f"{folder}/{name}{end}" for name in STAGES[stage]["foreach"] for end in ends}


def test_all_that_is_compared_is_run_and_all_students_are_compared():
    made = {run for stage in RUN_IN for run in made_by(stage)}
    compared = set(COMPARISONS.students())
    assert compared <= made
    assert {run for run in made - compared if not run.endswith(f"_by_{HISTOGRAM}")} == set()


def test_everything_is_compared_with_oim_and_with_the_histogram():
    everything = {f"{folder}/{name}" for stage, folder in RUN_IN.items() for name in STAGES[stage]["foreach"]}
    by_first = {group.against: set(group.students) for group in COMPARISONS.groups}
    assert everything <= by_first["data_labelled/oim"] | {"data_labelled/oim"}
    assert everything <= by_first["data_labelled/oim_by_histogram"]
    (*firsts,) = (places.against for places in COMPARISONS.by_place)
    assert firsts == ["data_labelled/oim", "data_labelled/oim_by_histogram"]


def test_a_place_is_each_part_of_the_data():
    parts = PARAMS["data_labelled"]["dataset"]["parts"]
    names = ["c1s1_000001.jpg", *(f"{number}-prw/c1s1_000001.jpg" for number in range(2, len(parts) + 1))]
    for places in COMPARISONS.by_place:
        found = [[bool(re.search(pattern, name)) for name in names] for pattern in places.places.values()]
        assert found == [[one == other for other in range(len(parts))] for one in range(len(parts))]


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("code", "annotate", "compare")])
def test_stages_state_the_code_and_the_sections_that_they_read(name):
    stage, folder, sections = definition(name, STAGES[name]), inner(name)["wdir"], set()
    assert f"../code/{stage.program}" in inner(name)["deps"]
    for entry in inner(name).get("params", []):
        stated = entry if isinstance(entry, dict) else {"params.yaml": [entry]}
        for file, listed in stated.items():
            values = yaml.safe_load((OWN_DATA / folder / file).read_text())
            assert {section.split(".")[0] for section in listed} <= set(values)
            sections |= set(listed)
    read = set(stage.params(ROOT))
    command = inner(name)["cmd"]
    if "--two-step" in command:
        read |= {"export_lut"} | ({"tables.retail_0287"} if "--two-step retail_0287" in command else set())
    assert sections == read


def test_nothing_of_the_pictures_goes_to_a_cache_or_a_remote():
    outs = [entry for name in STAGES for key in ("outs", "metrics") for entry in inner(name).get(key, [])]
    assert outs and all(next(iter(entry.values())) == {"cache": False} for entry in outs)
    assert "remote" not in (OWN_DATA / ".dvc/config").read_text().replace("no remote", "")


@every_folder
@pytest.mark.parametrize("placeholder", [NO_TABLE, NO_DETECTOR])
def test_the_placeholders_are_the_default_runs(folder, placeholder):
    assert (OWN_DATA / folder / placeholder).read_text() == (ROOT / placeholder).read_text()


def test_dvc_reads_it():
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=OWN_DATA,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    names = listed.stdout.split()
    assert {re.sub("@.*", "", name) for name in names} == set(STAGES)


def test_no_picture_and_no_model_is_in_git():
    tracked = subprocess.run(
        ["git", "ls-files", "."], cwd=OWN_DATA, capture_output=True, text=True, check=True
    )
    files = tracked.stdout.split()
    assert "params.yaml" in files
    assert [path for path in files if path.endswith((".onnx", ".safetensors", ".jpg", ".h5"))] == []
