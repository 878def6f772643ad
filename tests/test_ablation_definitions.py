"""The ablation's dvc.yaml against the code, its params.yaml, the default run's, and what is compared."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from commands.parameter_checks import check_parameters
from pipeline.basics.options import merged, parse_options
from pipeline.reporting.comparison.groups import read_comparisons
from pipeline.reporting.comparison.pooling import pooled
from pipeline.reporting.comparison.runs import read_runs
from pipeline.training.student.options import NO_DETECTOR, NO_TABLE, StudentOptions
from stages.support.parameters import OWN_ENTRIES, read_parameters
from tools.stage_dependencies import definition

ROOT = Path(__file__).parents[1]
ABLATION = ROOT / "ablation"
FOLDERS = ("data_0", "data_1")
STAGES = yaml.safe_load((ABLATION / "dvc.yaml").read_text())["stages"]
PROGRAMS = {name: stated for name, stated in STAGES.items() if name != "code"}
DEFAULT = read_parameters(ROOT / "params.yaml")
STATED = yaml.safe_load((ABLATION / "params.yaml").read_text())
PARAMS = {folder: read_parameters(ABLATION / folder / "params.yaml") for folder in FOLDERS}
STUDENTS = STATED["students"]
COMPARISONS = read_comparisons(ABLATION / "comparisons.yaml")
LENGTH = {"steps", "warmup_steps"}
FROM_STUDENTS = ("student_table", "oim_from_oim_table", "oim_from_large_oim", "oim_from_qeeps")
"""Students whose tables are of networks without a teacher."""

OTHER_NETWORKS = {"seqnet": "oim", "seqnet_kd": "lut", "qeeps": "oim", "qeeps_kd": "lut"}
"""Students of another network, and the student that they differ from in the network alone."""
TEACHERS = STAGES["network_teacher"]["foreach"]
CLAIM = tuple(STAGES["further_seeds"]["foreach"])
"""Students that show whether a table improves detection."""

YET_TO_RUN = {name for name in STUDENTS if name in (*FROM_STUDENTS, *OTHER_NETWORKS, *TEACHERS, *CLAIM)} | {
    name for name in STUDENTS if "_weight_" in name or name.endswith("_at_proposal")
}

RUN_FOLDERS = ("results", "results/further")
"""Where a student's runs are: those of all students, and those of further seeds."""

every_folder = pytest.mark.parametrize("folder", FOLDERS)


def inner(name):
    return STAGES[name].get("do", STAGES[name])


def options_of(student, folder="data_0"):
    values = PARAMS[folder]
    common = merged({"network": values["network"]}, values["train_student"])
    return parse_options(StudentOptions, merged(common, values["students"][student]), student)


def test_what_is_stated_is_what_differs():
    assert set(STATED) == {"extends", "train_student", "tables", "students"}
    assert set(STATED["train_student"]) == {"training"}
    assert set(STATED["train_student"]["training"]) == LENGTH
    for seed, folder in enumerate(FOLDERS):
        stated = yaml.safe_load((ABLATION / folder / "params.yaml").read_text())
        assert stated == {"extends": "../params.yaml", "dataset": {"synthetic": {"seed": seed}}}


@every_folder
def test_every_section_is_valid(folder):
    check_parameters(PARAMS[folder], ABLATION / folder / "params.yaml")


@every_folder
def test_settings_are_the_default_runs_but_for_the_seed_of_the_data_and_the_length(folder):
    here, default = deepcopy(PARAMS[folder]), deepcopy(DEFAULT)
    for section in OWN_ENTRIES:
        del here[section], default[section]
    here["dataset"]["synthetic"]["seed"] = default["dataset"]["synthetic"]["seed"]
    for values in (here, default):
        for key in LENGTH:
            del values["train_student"]["training"][key]
    assert here == default


@pytest.mark.parametrize(
    ("student", "default"),
    [("oim", "baseline"), ("lut", "kd_lut"), ("kd_detector", "kd_detector"), ("kd_both", "kd_both")],
)
def test_the_main_students_are_the_default_runs(student, default):
    assert STUDENTS[student] == DEFAULT["students"][default]


def test_the_re_id_teachers_table_is_the_default_runs():
    assert STATED["tables"]["id_lut"] == DEFAULT["tables"]["id_lut"]


def test_every_table_is_made_for_the_first_data_and_the_teachers_for_the_second():
    assert STAGES["data_0_tables"]["foreach"] == "${tables}"
    assert STAGES["data_1_tables"]["foreach"] == {"id_lut": "${tables.id_lut}"}
    assert inner("data_1_tables") == inner("data_0_tables") | {"wdir": "data_1"}


def test_the_teachers_of_tables_are_made_in_their_folder():
    for folder, tables in (("data_0", STATED["tables"]), ("data_1", STAGES["data_1_tables"]["foreach"])):
        for table in tables:
            assert (folder, STATED["tables"][table]["teacher"]) in made_by_stages()


def test_students_that_learn_from_students_differ_from_lut_in_the_table_alone():
    tables = {student: options_of(student).table for student in FROM_STUDENTS}
    assert len(set(tables.values())) == len(tables)
    for student, table in tables.items():
        own = as_chosen("lut", student).model_copy(update={"table": table})
        assert options_of(student) == own
        assert table != options_of("lut").table
    assert definition("network_teacher", STAGES["network_teacher"]).entries == {"student": "${item}"}
    for teacher in STAGES["network_teacher"]["foreach"]:
        assert not options_of(teacher).identity.needs_table
        assert options_of(teacher).training.steps == options_of("oim_long").training.steps


def as_chosen(student, tuned):
    """A student's options with the identity settings that were the best of the tries of `tuned`."""
    options = options_of(student)
    if not tries_of(tuned).is_file():
        return options
    identity = options.identity.model_copy(update=best_of(tuned)["settings"]["identity"])
    return options.model_copy(update={"identity": identity})


def tries_of(student):
    return ABLATION / f"tuning/results/{student}.json"


def best_of(student):
    """The try of a student that reached most on validation identities."""
    tries = json.loads(tries_of(student).read_text())["tries"]
    return max(tries, key=lambda entry: entry["validation"]["search_mAP"])


def test_other_networks_differ_in_the_network_and_in_their_best_weight_alone():
    for student, plain in OTHER_NETWORKS.items():
        own, other = options_of(student), as_chosen(plain, student)
        assert own.network.head == student.removesuffix("_kd")
        same = {"network": other.network, "absent_pairs": other.absent_pairs}
        assert own.model_copy(update=same) == other
        assert own.absent_pairs == best_of(student)["settings"].get("absent_pairs", 0.0)


def test_students_that_embed_at_proposals_differ_in_that_alone():
    for student in ("oim", "lut"):
        own, other = options_of(f"{student}_at_proposal"), options_of(student)
        assert own.network.embed_at == "proposal"
        assert own.model_copy(update={"network": other.network}) == other
        assert own.network.model_copy(update={"embed_at": None}) == other.network


def test_every_student_is_run_on_the_first_data_and_the_main_ones_on_the_second():
    assert STAGES["data_0"]["foreach"] == "${students}"
    for name, entry in STAGES["data_1"]["foreach"].items():
        assert entry == f"${{students.{name}}}"
        assert name in STUDENTS
    assert inner("data_1") == inner("data_0") | {"wdir": "data_1"}


def test_long_students_differ_by_their_length_alone():
    short = ("oim", "lut", "random", "no_identity", "qeeps")
    for student in (*short, *(name for name in CLAIM if not name.endswith("_long"))):
        short, long = options_of(student), options_of(f"{student}_long")
        assert long.training.steps == 2 * short.training.steps
        assert long.model_copy(update={"training": short.training}) == short


def test_further_seeds_are_other_seeds_of_students_of_three_widths_two_lengths_and_three_targets():
    further, first = inner("further_seeds"), inner("data_0")
    seeds = [set(re.findall(r"--seed (\d+)", stated["cmd"])) for stated in (first, further)]
    assert len(seeds[0] | seeds[1]) == len(seeds[0]) + len(seeds[1]) == 8
    assert {key: further[key] for key in ("wdir", "deps", "params")} == {
        key: first[key] for key in ("wdir", "deps", "params")
    }
    kinds = set()
    for student, entry in STAGES["further_seeds"]["foreach"].items():
        assert entry == f"${{students.{student}}}"
        own = options_of(student)
        plain = own.model_copy(
            update={
                "table": options_of("oim").table,
                "identity": options_of("oim").identity,
                "training": options_of("oim").training,
                "network": options_of("oim").network,
            }
        )
        assert plain == options_of("oim")
        assert own.identity == options_of("lut" if own.identity.needs_table else "oim").identity
        kinds.add((own.network.backbone.width, own.training.steps, own.table))
    assert len(kinds) == len(CLAIM) == 18
    assert [len(set(kind)) for kind in zip(*kinds, strict=True)] == [3, 2, 3]


def test_the_programs_and_their_code():
    """Each stage depends on the digest of the program that it runs, and on that of no other."""
    for name in PROGRAMS:
        program = definition(name, STAGES[name]).program
        assert (ROOT / "stages").joinpath(*program.split(".")).with_suffix(".py").is_file()
        above = "../" if "wdir" in inner(name) else ""
        code = [dependency for dependency in inner(name)["deps"] if "code/" in dependency]
        assert code == [f"{above}code/{program}"], name


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "compare"])
def test_params_are_those_that_the_program_reads_from_each_file_that_states_them(name):
    stage, stated = definition(name, STAGES[name]), {}
    for entry in inner(name).get("params", []):
        for file, sections in entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]:
            stated[(ABLATION / "data_0" / file).resolve()] = set(sections)
    read = set(stage.params(ROOT))
    entries = {name for name in read if name.startswith(("students.", "tables."))}
    for path, own in (
        (ABLATION / "data_0/params.yaml", read & {"dataset"}),
        (ABLATION / "params.yaml", read & {"train_student"} | entries),
        (ROOT / "params.yaml", read - entries),
    ):
        assert stated.pop(path, set()) == own, path
    assert not stated


def test_the_comparison_reads_all_that_says_what_a_network_costs():
    files = {"params.yaml": set(), "../params.yaml": set()}
    for entry in inner("compare")["params"]:
        for file, sections in entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]:
            files[file].update(sections)
    assert files == {
        "params.yaml": {"train_student", "students"},
        "../params.yaml": {"network", "train_student"},
    }


def made_by_stages():
    """Each file that a stage makes, with the folder that it is made in."""
    made = set()
    for name, stated in PROGRAMS.items():
        wdir, outs = (
            inner(name).get("wdir"),
            filter(lambda path: isinstance(path, str), inner(name).get("outs", [])),
        )
        if name.endswith("_tables"):
            tables = STATED["tables"] if name == "data_0_tables" else stated["foreach"]
            made |= {(wdir, path.replace("${key}", table)) for path in outs for table in tables}
        elif name == "network_teacher":
            made |= {(wdir, path.replace("${item}", item)) for path in outs for item in stated["foreach"]}
        else:
            made |= {(folder, path) for path in outs for folder in _folders(wdir, stated)}
    return made


def _folders(wdir, stated):
    return stated["foreach"] if wdir == "${item}" else [wdir]


def test_every_table_and_detector_is_made_by_a_stage_or_is_the_placeholder():
    made = {(folder, placeholder) for folder in FOLDERS for placeholder in (NO_TABLE, NO_DETECTOR)}
    made |= made_by_stages()
    for folder, students in (("data_0", STUDENTS), ("data_1", STAGES["data_1"]["foreach"])):
        for student in students:
            for teacher in ("table", "detector"):
                assert (folder, STUDENTS[student][teacher]) in made


@every_folder
@pytest.mark.parametrize("placeholder", [NO_TABLE, NO_DETECTOR])
def test_the_placeholders_are_the_default_runs(folder, placeholder):
    assert (ABLATION / folder / placeholder).read_text() == (ROOT / placeholder).read_text()


def test_all_students_with_results_are_compared_and_read():
    """A student that was added and is yet to be run is compared once its results are there."""
    run = {
        f"{folder}/{path.stem}"
        for folder in FOLDERS
        for path in (ABLATION / folder / "results").glob("*.json")
    }
    there = {f"data_0/{name}" for name in STUDENTS}
    there |= {f"data_1/{name}" for name in STAGES["data_1"]["foreach"]}
    assert run <= there
    assert set(COMPARISONS.students()) == run
    assert there - run <= {f"data_0/{name}" for name in YET_TO_RUN}
    assert {f"{folder}/results" for folder in FOLDERS} <= set(STAGES["compare"]["deps"])


def test_pairs_differ_in_the_table_alone():
    for pool in COMPARISONS.pooled:
        for taught, plain in pool.pairs.items():
            folder, student = taught.split("/")
            own, other = options_of(student, folder), options_of(plain.split("/")[1], folder)
            assert (own.identity.target, other.identity.target) == ("lut", "oim")
            assert own.identity.weight == other.identity.weight
            same = {"table": other.table, "identity": other.identity}
            assert own.model_copy(update=same) == other


def test_dvc_reads_it_with_its_lock_ignored_by_git():
    """DVC refuses a lock file that Git ignores, unless it is told to know nothing of Git."""
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=ABLATION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    names = listed.stdout.split()
    assert [name for name in names if name.startswith("data_0@")] == [f"data_0@{name}" for name in STUDENTS]
    assert {re.sub("@.*", "", name) for name in names} == set(STAGES)
    assert "/dvc.lock" in (ABLATION / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("pool", COMPARISONS.pooled, ids=lambda pool: pool.title)
def test_the_committed_differences_are_of_the_committed_runs(pool):
    runs = {
        name: read_runs(*(ABLATION / f"{name.replace('/', f'/{folder}/')}.json" for folder in RUN_FOLDERS))
        for pair in pool.pairs.items()
        for name in pair
    }
    comparison = json.loads((ABLATION / "results/comparison.json").read_text())
    (written,) = [entry for entry in comparison["pooled"] if entry["title"] == pool.title]
    assert [pair["differences"] for pair in pooled(pool, runs)["pairs"]] == [
        pair["differences"] for pair in written["pairs"]
    ]
    for metric, difference in pooled(pool, runs)["differences"].items():
        assert difference == pytest.approx(written["differences"][metric])
