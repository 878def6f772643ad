"""`person-search lut check`: what a table's teacher reaches, before anybody learns from it."""

from collections.abc import Mapping
from pathlib import Path

import click

from commands.places import GivenPath
from commands.printing import say
from commands.tables import table_text
from commands.validation import VALIDATION
from pipeline.basics.errors import UserError
from pipeline.devices import one_device
from pipeline.evaluation.true_boxes import TrueBoxScores
from pipeline.inference.teachers.checking import embedded_boxes, protocols
from pipeline.inference.teachers.colour_histogram import ColourHistogram
from pipeline.inference.teachers.crop_teacher import CropTeacher
from pipeline.scenes.prepared import open_prepared
from stages.export_lut import PARAMS, ExportOptions, TableOptions, named_teacher
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress

SPLITS = {
    VALIDATION: "",
    "test": "these are the test people: whoever chooses a teacher by them has seen them before the test",
    "train": "these are the people that students learn from; a teacher of this project has learned them too",
}


@click.command()
@click.argument("name")
@click.option(
    "--split",
    type=click.Choice(list(SPLITS)),
    default=VALIDATION,
    show_default=True,
    help="Whose people; `test` and `train` are for data sets without validation people.",
)
@click.option("--data", type=GivenPath(path_type=Path), default=PREPARED, show_default=True)
def check(name: str, split: str, data: Path) -> None:
    """Say what the teacher of NAME, an entry of `tables` in params.yaml, reaches at true boxes.

    Each labelled box is searched for among all true boxes of the other scenes. A colour histogram of six
    stripes stands beside it: a teacher that is no better has nothing to teach.
    """
    parameters = Parameters(PARAMS, table=name)
    options = parameters.options("export_lut", ExportOptions)
    entry = parameters.options(f"tables.{name}", TableOptions)
    prepared = open_prepared(data)
    if split == VALIDATION and not prepared.has(split):
        raise UserError(
            f"data set '{prepared.name}' has no validation people; `--split test` checks the teacher on the "
            "test people, whom nothing should be chosen by, and `--split train` on the training people; "
            "`dataset.validation` in params.yaml makes a validation split of training scenes"
        )
    if entry.kind == "features" and split != "train":
        raise UserError(
            f"the features of {entry.teacher} are those of the training boxes; `--split train` checks them"
        )
    people = prepared.split(split)
    device = one_device()
    if SPLITS[split]:
        say(SPLITS[split])
    teacher = named_teacher(entry, options, prepared, device, f"{parameters.path}: tables.{name}")
    histogram = CropTeacher([ColourHistogram()], options.batch_size, options.scene_batch_size)
    reached = {}
    with ShownProgress(f"lut check {name}") as progress:
        for who, one in ((f"{name} ({entry.kind})", teacher), (ColourHistogram.name, histogram)):
            progress.begin(who)
            reached[who] = protocols(embedded_boxes(one, prepared, people, device, progress))
    boxes = sum(len(scene.boxes) for scene in people.scenes)
    click.echo(f"{split} of '{prepared.name}': {len(people.identities)} people, {boxes} boxes")
    click.echo(_text(reached))


def _text(reached: Mapping[str, Mapping[str, TrueBoxScores]]) -> str:
    """Return the scores of several teachers: a line for each protocol and teacher."""
    lines = [
        (protocol, f"{scores[protocol].queries}", who, *_shown(scores[protocol]))
        for protocol in next(iter(reached.values()))
        for who, scores in reached.items()
    ]
    head = ("searched for", "queries", "by", "mAP", "top-1")
    return table_text(lines, head, right=(1, 3, 4), indent=2)


def _shown(scores: TrueBoxScores) -> tuple[str, str]:
    return f"{scores.mean_ap:.3f}", f"{scores.top1:.3f}"
