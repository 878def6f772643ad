"""What README and docs say, against the committed results, the commands that there are, and the code."""

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import torch
import yaml
from dvc.cli.parser import get_main_parser
from scipy import stats

from commands.main import main as person_search
from pipeline.datasets.packing import prepare
from pipeline.evaluation.detections_file import read_detections, write_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.losses.identity.targets import IdentityOptions
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.reporting.comparison.text import comparison_tables
from pipeline.reporting.searches import SPACED
from pipeline.reporting.shown_queries import TOP, evenly_spaced
from pipeline.reporting.speed import read_milliseconds
from pipeline.reporting.table import markdown_table
from pipeline.scenes.prepared import open_prepared
from pipeline.training.engine import loop
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student
from tests.pipeline_runs.test_students import ENTRY, NEW
from tests.tiny import IDENTITIES, TinyDataSet, detector_options, search_options, silent, training_options

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README, ABLATION, EXTENDING = (PAGES[name] for name in ("README.md", "docs/ablation.md", "docs/extending.md"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

every_page = pytest.mark.parametrize("page", PAGES)


# Results.


def committed(path):
    """What git holds: somebody's own run, not yet committed, is not what these pages are of."""
    shown = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode:
        pytest.skip(f"git holds no {path} here: {shown.stderr.strip()}")
    return shown.stdout


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(page, section):
    """The tables of a section: the cells of each line, head first."""
    text = page.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [
        [cells(line) for line in block.splitlines() if not line.startswith("|---")]
        for block in text.strip().split("\n\n")
        if block.startswith("|")
    ]


def test_the_table_of_results_is_the_committed_one(tmp_path):
    summary = json.loads(committed("results/summary.json"))
    (tmp_path / "speed.json").write_text(committed("results/speed.json"))
    milliseconds, _machine = read_milliseconds(tmp_path / "speed.json", summary)
    assert markdown_table(summary, milliseconds) in README, (
        "README is out of date: person-search results --markdown"
    )


def test_the_caption_of_the_searches_says_how_they_were_chosen():
    parts = README.split("\n\n")
    caption = parts[
        1 + next(i for i, part in enumerate(parts) if part.endswith("(results/figures/search.png)"))
    ]
    total = json.loads(committed("results/students/baseline/metrics.json"))["protocol"]["counts"]["queries"]
    number = {5: "Five"}[len(evenly_spaced(total))]
    assert caption.startswith(f"{number} of the {total} test queries, evenly spaced in their list")
    assert SPACED == "evenly spaced, not picked by result"
    assert "not picked by result" in caption
    assert f"with {({6: 'six'})[TOP]} hits" in caption


METRICS = {
    "search mAP": "search_mAP",
    "top-1": "search_top1",
    "AP50": "coco_ap50",
    "AP70": "coco_ap70",
    "AP": "detection_ap",
    "recall": "detection_recall",
}
CHANGE = re.compile(rf"({'|'.join(METRICS)}) ([+-]\d+\.\d)(?! \()")


@pytest.mark.parametrize(
    ("page", "start", "end", "count"),
    [
        (README, "Against `baseline`", "With eight seeds", 7),
        (ABLATION, "against `baseline`:", "How much of that is chance", 16),
    ],
    ids=["README", "ablation"],
)
def test_the_differences_to_the_baseline_are_those_of_the_table(page, start, end, count):
    summary = json.loads(committed("results/summary.json"))
    text = " ".join(page[page.index(start) + len(start) : page.index(end)].split())
    assert "from unrounded numbers" in " ".join(page[page.index(start) - 80 : page.index(end)].split())
    parts = re.split(r"`(kd_\w+)`", text)
    stated = [
        (name, METRICS[title], change)
        for name, said in zip(parts[1::2], parts[2::2], strict=True)
        for title, change in CHANGE.findall(said)
    ]
    assert len(stated) == count
    for name, key, change in stated:
        assert change == f"{100 * (summary[name][key] - summary['baseline'][key]):+.1f}", (name, key)


def test_the_tables_of_the_ablation_are_of_the_committed_one():
    comparison = json.loads(committed("ablation/results/comparison.json"))
    groups = {
        frozenset(cells[0] for cells in table.lines): (table.head, table.lines, table.clear)
        for table in comparison_tables(comparison)
    }
    shown = tables(ABLATION, "The tables")
    assert shown
    search = next(
        line[2] for _head, *lines in shown for line in lines if line[0].startswith("lut:") and line[2]
    )
    assert f"search mAP by {search.strip('*')}" in " ".join(README.split())
    for head, *lines in shown:
        (group,) = [group for names, group in groups.items() if names >= {line[0] for line in lines}]
        titles, rows, clear = group
        places = [titles.index(title) for title in head]
        expected = {
            row[0]: [f"**{row[place]}**" if place in marked else row[place] for place in places]
            for row, marked in zip(rows, clear, strict=True)
        }
        for line in lines:
            assert line == expected[line[0]]


def test_our_numbers_beside_the_papers_are_of_the_committed_ablation():
    comparison = json.loads(committed("ablation/results/comparison.json"))
    reached = {
        student["row"]: student["figures"] for group in comparison["groups"] for student in group["rows"]
    }
    _paper, (_head, *lines) = tables(PAGES["docs/method.md"], "The paper's")
    assert len(lines) == 6
    for _width, student, *cells in lines:
        (name,) = re.findall(r"`(\w+)`", student)
        metrics = ("search_mAP", "search_top1", "detection_ap", "detection_recall")
        figures = [reached[f"data_0/{name}"][metric] for metric in metrics]
        assert cells == [f"{100 * own['mean']:.1f} ± {100 * own['deviation']:.1f}" for own in figures]


EIGHT, THREE = range(8), range(3)
SETTINGS = {
    "half the channels, 500 steps": ("data_0", "small_oim", "small_lut", "small_from_large_oim"),
    "half the channels, 1,000 steps": (
        "data_0",
        "small_oim_long",
        "small_lut_long",
        "small_from_large_oim_long",
    ),
    "default width, 500 steps": ("data_0", "oim", "lut", "oim_from_large_oim"),
    "default width, 1,000 steps": ("data_0", "oim_long", "lut_long", "oim_from_large_oim_long"),
    "1.5 times the channels, 500 steps": ("data_0", "large_oim", "large_lut", "large_from_large_oim"),
    "1.5 times the channels, 1,000 steps": (
        "data_0",
        "large_oim_long",
        "large_lut_long",
        "large_from_large_oim_long",
    ),
    "other scenes": ("data_1", "oim", "lut", None),
    "identity weight 0.1": ("data_0", "oim_weight_01", "lut_weight_01", "from_large_oim_weight_01"),
    "identity weight 0.25": ("data_0", "oim_weight_025", "lut_weight_025", "from_large_oim_weight_025"),
    "identity weight 1": ("data_0", "oim_weight_1", "lut_weight_1", "from_large_oim_weight_1"),
}
"""OIM, and the students that differ from it in the table alone: a re-ID teacher's, a large network's."""
WIDTHS = ("half the channels", "default width", "1.5 times the channels")
BOTH_LENGTHS = {width: [f"{width}, 500 steps", f"{width}, 1,000 steps"] for width in WIDTHS}
POOLED = {
    **{f"{width}, both lengths": (BOTH_LENGTHS[width], EIGHT) for width in WIDTHS},
    "all three widths, both lengths": ([one for both in BOTH_LENGTHS.values() for one in both], EIGHT),
    "identity weights 0.1, 0.25, 0.5 and 1": (
        [
            "identity weight 0.1",
            "identity weight 0.25",
            "default width, 500 steps",
            "identity weight 1",
        ],
        THREE,
    ),
}
TABLES = {"the teacher's table": 2, "a large network's table": 3}
"""Where the taught student stands in `SETTINGS`."""


def runs_of(folder, student):
    """The committed runs of a student by seed, further ones included."""
    runs = {}
    for name in (f"{student}.json", f"further/{student}.json"):
        path = f"ablation/{folder}/results/{name}"
        if (ROOT / path).exists():
            runs |= {int(seed): run for seed, run in json.loads(committed(path)).items() if seed.isdigit()}
    return runs


def differences(setting, taught, metric, seeds=EIGHT):
    """What a table changes in a metric of detection, in percent, for each seed that both students have."""
    folder, oim = SETTINGS[setting][:2]
    if (student := SETTINGS[setting][taught]) is None:
        return []
    own, other = runs_of(folder, student), runs_of(folder, oim)
    both = [seed for seed in seeds if seed in own and seed in other]
    return [100 * (own[seed]["detection"][metric] - other[seed]["detection"][metric]) for seed in both]


def with_interval(values):
    """The mean of differences, and its 95 % interval by Student's t, as the page writes them."""
    if not values:
        return ""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    text = f"{mean:+.1f} ± {half:.1f}"
    return f"**{text}**" if abs(mean) > half else text


def pooled_differences(settings, taught, metric, seeds):
    return [value for one in settings for value in differences(one, taught, metric, seeds)]


def test_what_the_table_does_to_detection():
    each, pooled = tables(ABLATION, "Does the table improve detection?")
    ways = [(taught, metric) for taught in TABLES.values() for metric in ("coco_ap50", "ap")]
    assert each[1:] == [
        [
            name,
            str(len(differences(name, 2, "ap"))),
            "{:.1f}".format(
                100 * np.mean([run["detection"]["coco_ap50"] for run in runs_of(folder, oim).values()])
            ),
            *(with_interval(differences(name, *way)) for way in ways),
        ]
        for name, (folder, oim, *_) in SETTINGS.items()
    ]
    assert pooled[1:] == [
        [
            name,
            str(len(pooled_differences(settings, 2, "ap", seeds))),
            *(with_interval(pooled_differences(settings, *way, seeds)) for way in ways),
        ]
        for name, (settings, seeds) in POOLED.items()
    ]


def test_what_the_front_page_says_of_detection_is_what_the_table_does():
    def change(width, steps):
        setting = f"{width}, {steps} steps"
        return with_interval(differences(setting, TABLES["the teacher's table"], "coco_ap50")).strip("*")

    default, half = (
        [change(width, steps) for steps in ("500", "1,000")]
        for width in ("default width", "half the channels")
    )
    text = " ".join(README.split())
    assert f"COCO AP50 by {default[0]}, with half the channels by {half[0]}." in text
    assert f"AP50 does not: {default[1]}, with half the channels {half[1]}." in text


# Commands.

PROGRAMS = ("make", "dvc", "person-search", "python", "git", "pip", "cd", ".")
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def code_lines(page):
    """The lines of a page's indented code, continued ones joined."""
    text = PAGES[page].replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def spans(page):
    """What stands between backquotes in a page, outside of indented code."""
    text = "\n".join(line for line in PAGES[page].splitlines() if not line.startswith("    "))
    return [" ".join(span.split()) for span in SPAN.findall(text)]


def commands_of(page) -> Iterator[list[str]]:
    """The commands of a page as words, without comments and variables that are set for one command."""
    for line in (*code_lines(page), *spans(page)):
        first = next((word for word in line.split() if not ASSIGNMENT.fullmatch(word)), "")
        if first not in PROGRAMS or line in PROGRAMS:
            continue
        parts = shlex.shlex(line, posix=True, punctuation_chars=True)
        parts.commenters, parts.whitespace_split = "#", True
        command: list[str] = []
        for word in [*parts, ";"]:
            if word in ("&&", ";"):
                if command:
                    yield command
                command = []
            elif command or not ASSIGNMENT.fullmatch(word):
                command.append(word)


COMMANDS = sorted({(page, *command) for page in PAGES for command in commands_of(page)})


def stage_names():
    """The stages of the default run and their entries, and the stages of own data."""
    stages, own = (
        yaml.safe_load((ROOT / folder / "dvc.yaml").read_text())["stages"] for folder in ("", "own_data")
    )
    return {
        f"{name}@{entry}" if "foreach" in stage else name
        for name, stage in stages.items()
        for entry in (PARAMS[stage["foreach"].strip("${}")] if "foreach" in stage else [""])
    } | {*stages, *own}


def check_make(words):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words) <= set(targets)


def check_dvc(words):
    arguments = get_main_parser().parse_args(words)
    if words[0] == "repro":
        assert set(arguments.targets) <= stage_names()
    for change in getattr(arguments, "set_param", None) or []:
        key, _, value = change.partition("=")
        at = PARAMS
        for part in key.split("."):
            at = at[part]
        assert type(at) is type(yaml.safe_load(value))


def root_context():
    """A context of `person-search`. A command keeps the help options of the first context that asks it."""
    return click.Context(person_search, **person_search.context_settings)


def check_person_search(words):
    name, *arguments = words
    root = root_context()
    command = person_search.get_command(root, name)
    assert command is not None, f"there is no person-search {name}"
    context = click.Context(command, parent=root, info_name=name)
    if isinstance(command, click.Group) and arguments and arguments[0] in command.list_commands(context):
        command = command.get_command(context, arguments.pop(0))
        context = click.Context(command, parent=context)
    values, rest, _ = command.make_parser(context).parse_args([*arguments])
    assert not rest or rest == arguments[-len(rest) :]
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and values.get(parameter.name) is not None:
            assert values[parameter.name] in parameter.type.choices


def check_python(words):
    flag, module, *options = words
    assert flag == "-m"
    shown = subprocess.run(
        ["python", "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in options:
        assert option in shown.stdout


def check_git(words):
    assert words[0] == "checkout"
    for path in words[1:]:
        assert subprocess.run(["git", "ls-files", "--error-unmatch", path], cwd=ROOT, check=True, stdout=-3)


def check_pip(words):
    command, target = words
    assert command == "install"
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = re.fullmatch(r"\.\[([\w,]+)\]", target)[1].split(",")
    assert setup["project"]["optional-dependencies"].keys() >= set(extras)
    packages = [name.rstrip("*") for name in setup["tool"]["setuptools"]["packages"]["find"]["include"]]
    assert [name for name in packages if f"`{name}`" not in README.split("pip install")[1]] == []


def check_cd(words):
    assert (ROOT / words[0] / "dvc.yaml").is_file()


def check_source(words):
    (script,) = words
    assert script == f"{re.search(r'^VENV := (.+)$', (ROOT / 'Makefile').read_text(), re.M)[1]}/bin/activate"


CHECKS = dict(
    zip(
        PROGRAMS,
        (
            check_make,
            check_dvc,
            check_person_search,
            check_python,
            check_git,
            check_pip,
            check_cd,
            check_source,
        ),
        strict=True,
    )
)


@pytest.fixture
def _python_starts_at_once(warm, monkeypatch):
    """The first one on the path; several pages name programs that would import PyTorch."""
    monkeypatch.setenv("PATH", f"{warm}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


@pytest.mark.usefixtures("_python_starts_at_once")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_is_one_that_there_is(command):
    _page, program, *words = command
    CHECKS[program](words)


def test_commands_are_found():
    assert {program for _page, program, *_words in COMMANDS} == set(PROGRAMS)
    assert ("README.md", "make", "repro") in COMMANDS
    assert ("README.md", "dvc", "repro", "-s", "train_student@kd_lut") in COMMANDS
    assert ("docs/ablation.md", "dvc", "repro") in COMMANDS
    assert ("docs/extending.md", "python", "-m", "tools.stage_dependencies", "--write") in COMMANDS


@pytest.mark.parametrize(
    "words",
    [
        ["dvc", "repro", "train_sudent"],
        ["dvc", "repro", "-s", "train_student@kd_lot"],
        ["dvc", "exp", "run", "-S", "students.kd_lut.identity.wait=0.25"],
        ["person-search", "find", "--querry", "a.jpg"],
        ["person-search", "lut", "check", "id_lut", "--splits", "val"],
        ["person-search", "preset", "prw_mini"],
        ["make", "repo"],
    ],
)
def test_a_wrong_command_would_be_seen(words):
    with pytest.raises((AssertionError, KeyError, click.UsageError)):
        CHECKS[words[0]](words[1:])


def parameters_below(command, parent=None):
    """The parameters of a command, and of all commands below it."""
    yield from command.params
    if isinstance(command, click.Group):
        context = root_context() if parent is None else click.Context(command, parent=parent)
        for name in command.list_commands(context):
            yield from parameters_below(command.get_command(context, name), context)


@every_page
def test_options_named_alone_are_of_a_command(page):
    known = {option for parameter in parameters_below(person_search) for option in parameter.opts}
    assert {span.split()[0] for span in spans(page) if span.startswith("--")} <= known


# Files, links, variables.


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), target


@every_page
def test_paths_are_there_or_made(page):
    """A path is in the project, or git ignores it because a stage, a training or the environment makes it."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} | {"checkpoints"}
    words = {word for text in (*code_lines(page), *spans(page)) for word in text.split()}
    for word in sorted(words):
        path = word.split("<")[0].strip("`,;:()")
        if "/" not in path or path.split("/")[0] not in folders or "://" in path:
            continue
        if not (ROOT / path).exists():
            subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=True)


@every_page
def test_variables_are_read_by_the_code(page):
    sources = "".join(
        path.read_text() for folder in ("pipeline", "stages") for path in (ROOT / folder).rglob("*.py")
    )
    for variable in set(re.findall(r"\b(?:PERSON_SEARCH|GOMP|OMP)_[A-Z_]*[A-Z]\b", PAGES[page])):
        assert f'"{variable}"' in sources


@every_page
def test_lines_are_short(page):
    assert [line for line in PAGES[page].splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 130


# How to extend.


def test_the_example_of_a_student_is_the_one_that_a_test_adds():
    block = EXTENDING.split("    students:\n", 1)[1].split("\n\n", 1)[0]
    assert yaml.safe_load(block) == {NEW: ENTRY}


def test_the_layers_are_those_that_lint_checks():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["pipeline"]]
    text = EXTENDING.split("## Layers\n", 1)[1].split("\n## ", 1)[0]
    shown = re.findall(r"^    pipeline/(\w+)", text, re.MULTILINE)
    assert shown == [name for layer in layers for name in layer.split(" | ")]


def walk(title):
    """The files that a walk lists, in order."""
    text = EXTENDING.split(f"### {title}\n", 1)[1].split("\n### ", 1)[0]
    return re.findall(r"^\d+\. `(\S+)`: \S", text, re.MULTILINE)


@contextlib.contextmanager
def watching(files):
    """Add to `files` the project's own ones of which a function is called in the block."""

    def called(frame, event, _argument):
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(f"{ROOT / 'pipeline'}{os.sep}"):
            files.add(Path(path).relative_to(ROOT).as_posix())

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        yield
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("walks") / "prepared"
    prepare(TinyDataSet(), root, silent)
    return open_prepared(root)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setenv("PERSON_SEARCH_DEVICE", "cpu")
    monkeypatch.setenv("PERSON_SEARCH_WORKERS", "0")


@pytest.mark.parametrize(
    ("title", "most"), [("One step of `kd_both`", 14), ("The table", 5), ("From a detection to an mAP", 13)]
)
def test_a_walk_is_short(title, most):
    files = walk(title)
    assert 0 < len(files) == len(set(files)) <= most
    assert [path for path in files if not (ROOT / path).is_file()] == []


def test_the_walk_through_a_step_has_all_files_that_it_runs(tiny, monkeypatch):
    files: set[str] = set()
    step = loop.training_step

    def watched(*arguments, **named):
        with watching(files):
            return step(*arguments, **named)

    monkeypatch.setattr(loop, "training_step", watched)
    options = StudentOptions(
        seed=0,
        network=search_options(),
        training=training_options(steps=1),
        identity=IdentityOptions(target="lut", weight=1.0, scale=16.0),
        detector_distillation=DetectorDistillationOptions(),
    )
    rows = torch.eye(IDENTITIES, options.network.embedding_dim)
    train_student(tiny, options, Teachers(rows, Detector(detector_options())), silent)
    assert "pipeline/losses/detector_distillation.py" in files
    assert files - set(walk("One step of `kd_both`")) == set()


def test_the_walk_to_an_map_has_all_files_that_it_runs(tiny, tmp_path):
    torch.manual_seed(0)
    network = PersonSearchNetwork(search_options()).eval()
    split = tiny.split("test")
    detections = search_detections(
        network,
        split,
        tiny.images("test"),
        InferenceOptions(batch_size=2, context_threshold=0.5),
        device=torch.device("cpu"),
        progress=silent,
    )
    write_detections(detections, tmp_path / "detections.h5")
    files: set[str] = set()
    with watching(files):
        evaluate(split, read_detections(tmp_path / "detections.h5"), EvaluationOptions(), tiny.name)
    names = ("average_precision", "coco", "detection", "ignored")
    of_detection = {f"pipeline/evaluation/{name}.py" for name in names}
    assert files >= of_detection
    assert files - of_detection - set(walk("From a detection to an mAP")) == set()
