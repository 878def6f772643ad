"""`person-search lut check`: what a table's teacher reaches, before anybody learns from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch

from commands.detections import detections_in, naming_detections
from commands.places import GivenPath
from commands.printing import say
from commands.scores import SEARCH, scores_text
from commands.tables import table_text
from commands.validation import TEST, TRAINING, VALIDATION, labelled, making_validation, note_on_test
from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.errors import UserError
from pipeline.devices import one_device
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.metric_table import PERCENT
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.evaluation.true_boxes import TrueBoxScores
from pipeline.inference.embedded_detections import embedded_detections
from pipeline.inference.options import InferenceOptions
from pipeline.inference.teachers.checking import embedded_boxes, protocols
from pipeline.inference.teachers.colour_histogram import ColourHistogram
from pipeline.inference.teachers.crop_teacher import CropTeacher
from pipeline.inference.teachers.teacher import Teacher
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.scenes.scene import Split
from stages.export_lut import PARAMS
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress
from stages.table_entry import ExportOptions, TableOptions, named_teacher

SPLITS = {
    VALIDATION: "",
    TEST: note_on_test("a teacher"),
    "train": "these are the people that students learn from; a teacher of this project has learned them too",
}


@click.command()
@click.argument("name")
@click.option(
    "--split",
    "asked",
    type=click.Choice(list(SPLITS)),
    help=f"Whose people; `test` and `train` are for data sets without validation people.  "
    f"[default: {VALIDATION}; {TEST} with --detections]",
)
@click.option(
    "--detections",
    "dump",
    type=GivenPath(path_type=Path, readable=False),
    help="A .npz or .h5 of a student's detections in the test scenes: search on these boxes instead.",
)
@click.option("--data", type=GivenPath(path_type=Path), default=PREPARED, show_default=True)
def check(name: str, asked: str | None, dump: Path | None, data: Path) -> None:
    """Say what the teacher of NAME, an entry of `tables` in params.yaml, reaches at true boxes.

    Each labelled box is searched for among all true boxes of the other scenes. A colour histogram of six
    stripes stands beside it: a teacher that is no better has nothing to teach.

    With --detections, teacher and histogram embed the boxes that a student has detected, a two-step search.
    The student's own scores stand beside theirs, all by the data set's protocol.
    """
    if dump is not None and asked not in (None, TEST):
        raise UserError(f"--detections are of the test scenes: leave `--split {asked}` out")
    split = asked or (VALIDATION if dump is None else TEST)
    parameters = Parameters((*PARAMS, "infer", "evaluate"), table=name)
    options = parameters.options("export_lut", ExportOptions)
    entry = parameters.options(f"tables.{name}", TableOptions)
    prepared = open_prepared(data)
    _check_people(prepared, split, entry)
    people = prepared.split(split)
    device = one_device()
    if SPLITS[split]:
        say(SPLITS[split])
    teachers = {
        f"{name} ({entry.kind})": named_teacher(
            entry, options, prepared, device, f"{parameters.path}: tables.{name}"
        ),
        ColourHistogram.name: CropTeacher([ColourHistogram()], options.batch_size, options.scene_batch_size),
    }
    with ShownProgress(f"lut check {name}") as progress:
        if dump is None:
            text = _at_true_boxes(teachers, prepared, people, device, progress)
        else:
            text = _on_detections(dump, teachers, prepared, people, device, progress, parameters)
    boxes = sum(len(scene.boxes) for scene in people.scenes)
    click.echo(f"{split} of '{prepared.name}': {len(people.identities)} people, {boxes} boxes")
    click.echo(text)


def _check_people(prepared: PreparedDataSet, split: str, entry: TableOptions) -> None:
    """Raise `UserError` where a split, or what the entry's teacher knows of it, is not there."""
    if split == VALIDATION and not prepared.has(split):
        raise UserError(f"data set '{prepared.name}' has no validation people; {_instead(prepared)}")
    if entry.kind == "features" and split != "train":
        raise UserError(
            f"the features of {entry.teacher} are those of the training boxes; `--split train` checks them"
        )


def _instead(prepared: PreparedDataSet) -> str:
    """Return which people a teacher can be checked on where there are none for validation."""
    ways = []
    if labelled(prepared, TEST):
        ways.append("`--split test` checks the teacher on the test people, whom nothing should be chosen by")
    if labelled(prepared, TRAINING):
        ways.append("`--split train` checks it on the training people")
    made = making_validation(prepared)
    others = "`--data FOLDER` checks it on another prepared data set"
    return "; ".join([*ways, made or others])


def _at_true_boxes(
    teachers: Mapping[str, Teacher],
    prepared: PreparedDataSet,
    people: Split,
    device: torch.device,
    progress: ShownProgress,
) -> str:
    """Return the scores at true boxes: a line for each protocol and teacher."""
    reached: dict[str, Mapping[str, TrueBoxScores]] = {}
    for who, teacher in teachers.items():
        progress.begin(who)
        reached[who] = protocols(embedded_boxes(teacher, prepared, people, device, progress))
    lines = [
        (protocol, f"{scores[protocol].queries}", who, *_shown(scores[protocol]))
        for protocol in next(iter(reached.values()))
        for who, scores in reached.items()
    ]
    head = ("searched for", "queries", "by", "mAP, %", "top-1, %")
    return table_text(lines, head, right=(1, 3, 4), indent=2)


def _on_detections(
    dump: Path,
    teachers: Mapping[str, Teacher],
    prepared: PreparedDataSet,
    people: Split,
    device: torch.device,
    progress: ShownProgress,
    parameters: Parameters,
) -> str:
    """Return the scores on a student's detections: a line for the student and for each teacher."""
    inference = parameters.options("infer", InferenceOptions)
    # The default gallery's scores are shown: sizes wanted of params.yaml's data may be missing in others.
    scoring = parameters.options("evaluate", EvaluationOptions).model_copy(update={"gallery_sizes": ()})
    found = detections_in(dump)
    if found.has_pairs:
        say(f"{dump}: the student searches pairs of queries and scenes, the others what it finds in scenes")

    def scores(detections: Detections) -> Mapping[str, Any]:
        return evaluate(people, detections, scoring, prepared.name, threads=cpu_threads())

    with naming_detections(dump):
        reached = {str(dump): scores(found)}
    for who, teacher in teachers.items():
        progress.begin(who)
        embedded = embedded_detections(
            teacher,
            found,
            people,
            prepared.images(people.name),
            context_threshold=inference.context_threshold,
            device=device,
            progress=progress,
        )
        reached[who] = scores(embedded)
    return scores_text(reached, SEARCH, "the same boxes, embedded by")


def _shown(scores: TrueBoxScores) -> tuple[str, str]:
    return PERCENT.text(scores.mean_ap), PERCENT.text(scores.top1)
