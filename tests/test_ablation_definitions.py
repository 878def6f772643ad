"""The ablation's dvc.yaml against the code, its params.yaml, the default run's, and what is compared."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from pipeline.basics.options import merged, parse_options
from pipeline.reporting.comparison.groups import read_comparisons
from pipeline.training.student.training import StudentOptions
from stages.support.every_section import check_parameters
from tools.stage_dependencies import differences

ROOT = Path(__file__).parents[1]
ABLATION = ROOT / "ablation"
FOLDERS = ("data_0", "data_1")
STAGES = yaml.safe_load((ABLATION / "dvc.yaml").read_text())["stages"]
DEFAULT = yaml.safe_load((ROOT / "params.yaml").read_text())
PARAMS = {folder: yaml.safe_load((ABLATION / folder / "params.yaml").read_text()) for folder in FOLDERS}
LENGTH = {"steps", "warmup_steps"}

every_folder = pytest.mark.parametrize("folder", FOLDERS)


def test_code_and_params_are_those_of_the_stages():
    assert not list(differences((ABLATION / "dvc.yaml").read_text(), ROOT, Path("ablation")))


@every_folder
def test_every_section_is_valid(folder):
    check_parameters(PARAMS[folder], ABLATION / folder / "params.yaml")


@every_folder
def test_settings_are_the_default_runs_but_for_the_seed_of_the_data_and_the_length(folder):
    here, default = deepcopy(PARAMS[folder]), deepcopy(DEFAULT)
    del here["students"], default["students"]
    here["dataset"]["synthetic"]["seed"] = default["dataset"]["synthetic"]["seed"]
    assert here["train_student"]["training"].keys() >= LENGTH
    for values in (here, default):
        values["train_student"] = values["train_student"] | {
            "training": {k: v for k, v in values["train_student"]["training"].items() if k not in LENGTH}
        }
    assert here == default


def test_the_data_differ():
    assert [PARAMS[folder]["dataset"]["synthetic"]["seed"] for folder in FOLDERS] == [0, 1]


@every_folder
def test_every_row_is_run(folder):
    assert list(STAGES[folder]["foreach"]) == list(PARAMS[folder]["students"])


@pytest.mark.parametrize(
    ("row", "default"),
    [("oim", "baseline"), ("lut", "kd_lut"), ("kd_detector", "kd_detector"), ("kd_both", "kd_both")],
)
@every_folder
def test_the_main_rows_are_the_default_runs(folder, row, default):
    assert PARAMS[folder]["students"][row] == DEFAULT["students"][default]


@every_folder
def test_rows_of_the_second_data_are_those_of_the_first(folder):
    for row, stated in PARAMS["data_1"]["students"].items():
        assert PARAMS["data_0"]["students"][row] == stated
        assert STAGES["data_0"]["foreach"][row] == STAGES["data_1"]["foreach"][row]


def test_long_rows_differ_by_their_length_alone():
    rows = PARAMS["data_0"]["students"]
    for row in ("oim", "lut", "random", "no_identity"):
        short, long = (
            parse_options(StudentOptions, merged(PARAMS["data_0"]["train_student"], rows[name]), name)
            for name in (row, f"{row}_long")
        )
        assert long.training.steps == 2 * short.training.steps
        assert long.model_copy(update={"training": short.training}) == short


def test_every_table_is_made_by_a_stage():
    made = {folder: set() for folder in FOLDERS}
    for stated in STAGES.values():
        stage = stated.get("do", stated)
        folders = stated.get("foreach", FOLDERS) if stage.get("wdir") == "${item}" else [stage.get("wdir")]
        for path in stage.get("outs", []):
            if isinstance(path, str) and path.startswith("artifacts/"):
                for folder in folders:
                    made[folder].add(path)
    for folder in FOLDERS:
        assert {f"artifacts/{row['table']}.h5" for row in STAGES[folder]["foreach"].values()} <= made[folder]


def test_all_rows_are_compared_and_read():
    comparisons = read_comparisons(ABLATION / "comparisons.yaml")
    compared = {name for group in comparisons.groups for name in (group.against, *group.rows)}
    assert compared == {f"{folder}/{row}" for folder in FOLDERS for row in PARAMS[folder]["students"]}
    read = {path for path in STAGES["compare"]["deps"] if path.startswith(FOLDERS)}
    runs = {f"{folder}/results/{row}.json" for folder, row in (name.split("/") for name in compared)}
    assert read == runs | {f"{folder}/params.yaml" for folder in FOLDERS}
