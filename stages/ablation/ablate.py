"""Stage `ablation.ablate`: train, run and score one student with several seeds; only metrics are kept.

After an interruption, seeds that were finished are not run again, and a training goes on where it was.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import click
import torch

from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted
from pipeline.basics.json_files import write_json
from pipeline.basics.launchers import rank
from pipeline.basics.writable import check_can_write
from pipeline.devices import make_fabric, placement
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.evaluation.search import QueryResult
from pipeline.evaluation.whole_pixels import WHOLE_PIXEL_DATA_SETS, in_whole_pixels
from pipeline.inference.embedded_detections import embedded_detections
from pipeline.inference.options import InferenceOptions
from pipeline.inference.pairs import KeptBlocks
from pipeline.inference.students import joint_detections
from pipeline.reporting.comparison.origin import origin
from pipeline.reporting.comparison.run_file import (
    EMBEDDED_BY,
    ENVIRONMENT,
    FURTHER,
    QUERIES,
    QUERY_SCENES,
    TRUE_BOX_QUERIES,
)
from pipeline.reporting.ranking import query_results, true_box_results
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import Split
from pipeline.training.engine.environment import environment
from pipeline.training.student.options import StudentOptions, with_dim_of_table
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_student
from stages.ablation.finished_runs import FinishedRun, forget_finished
from stages.ablation.two_step import HISTOGRAM, load_two_step, two_step_inputs, two_step_sections
from stages.support.checkpoint_folder import resuming
from stages.support.errors import SIGNAL_CODE
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, RESULTS
from stages.support.running import ShownProgress, joint_stage, say
from stages.support.starter import end_with_parent

PARAMS = ("network", "train_student", "infer", "evaluate", "students.{student}")
Results = Mapping[str, Mapping[str, Any]] | None
"""What a run reaches, by the file's name: the student's own, and those of its detections embedded by others.

Of devices that run together, the first has it and the others have None."""


@joint_stage
@click.option("--student", required=True, help="Which entry of `students` in params.yaml.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, required=True, help="One a run.")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    envvar="PERSON_SEARCH_AT_ONCE",
    show_default=True,
    show_envvar=True,
    help="How many seeds are run beside one another, each in a process.",
)
@click.option("--further", is_flag=True, help="Seeds in addition to others, in a file of their own.")
@click.option(
    "--two-step",
    "two_step",
    multiple=True,
    help=f"`{HISTOGRAM}`, or an entry of `tables` whose teacher embeds the student's detections as well; the "
    "scores are those of a student `STUDENT_by_NAME`. May be given several times.",
)
def main(
    student: str, seeds: tuple[int, ...], at_once: int, further: bool, two_step: tuple[str, ...]
) -> None:
    """Train one student with several seeds, and write what each run reaches on the test scenes."""
    if (devices := placement().devices) > 1:
        if at_once > 1:
            raise UserError(f"{devices} devices train one seed after another: leave --at-once at 1")
        if two_step:
            raise UserError(f"--two-step embeds on one device, here are {devices}: leave it out")
    two_step = tuple(dict.fromkeys(two_step))
    folder = RESULTS / FURTHER if further else RESULTS
    if rank() == 0:
        check_can_write(folder / f"{student}.json")
    if at_once > 1:
        results = _beside_one_another(student, two_step, seeds, at_once)
    else:
        results = [_run(student, two_step, seed) for seed in seeds]
    runs = {str(seed): result for seed, result in zip(seeds, results, strict=True) if result is not None}
    if not runs:
        return  # the first device has them
    for name in next(iter(runs.values())):
        _write(folder / f"{name}.json", {seed: result[name] for seed, result in runs.items()})
    for seed in seeds:
        forget_finished(_name(student, seed))


def _write(out: Path, runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the runs by their seed, and say what they reach."""
    write_json(out, runs, indent=1)
    reached = ", ".join(f"{run['search']['mAP']:.4f}" for run in runs.values())
    detected = ", ".join(f"{run['detection']['coco_ap50']:.4f}" for run in runs.values())
    say(f"{out}: search mAP {reached}; COCO AP50 {detected}")


def _beside_one_another(
    student: str, two_step: Sequence[str], seeds: Sequence[int], at_once: int
) -> list[Results]:
    """Run the seeds in processes of their own, which end when this one does."""
    try:
        with ProcessPoolExecutor(at_once, get_context("spawn"), _start_process) as pool:
            try:
                return list(pool.map(partial(_run_in_process, student, two_step), seeds))
            except (SystemExit, KeyboardInterrupt):
                for process in active_children():
                    process.terminate()  # its training keeps its state; otherwise the pool waits for its end
                raise
    except BrokenProcessPool:
        raise UserError(f"ablate@{student}: a process was stopped or killed; run it again to go on") from None


def _start_process() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside of a training, Ctrl-C is no traceback


def _run_in_process(student: str, two_step: Sequence[str], seed: int) -> Results:
    try:
        return _run(student, two_step, seed)
    except Interrupted as interruption:
        click.echo(f"{_name(student, seed)}: {interruption}; run it again to go on from there", err=True)
        # As an error, it would be given to a pool that may be gone, and the process would wait for more work.
        os._exit(SIGNAL_CODE + interruption.signal)


def _name(student: str, seed: int) -> str:
    """Return what a run is called, in messages and as a folder of checkpoints."""
    return f"ablate@{student}-{seed}"


def _run(student: str, two_step: Sequence[str], seed: int) -> Results:
    """Train a student with one seed, and return what it reaches. Several devices share the test scenes."""
    _origin()  # what is committed while a training runs is not what it runs
    alone = placement().devices == 1  # devices that share a run could not agree on what is finished
    parameters = Parameters((*PARAMS, *two_step_sections(two_step)), student=student)
    inference = parameters.options("infer", InferenceOptions)
    scoring = parameters.options("evaluate", EvaluationOptions)
    own = f"students.{student}"
    options = parameters.options("train_student", StudentOptions, own, {"seed": seed})
    data, name = open_prepared(PREPARED), _name(student, seed)
    options = with_dim_of_table(options, f"{parameters.path}: {own}")
    teachers = read_teachers(options, data, f"{parameters.path}: {own}")
    # Before the training: what is wrong with them is said at once.
    embedders = load_two_step(two_step, parameters, data, make_fabric().device) if two_step else {}
    inputs = {"data": data.sha256, **teachers.sha256}
    made_with = {
        "infer": inference.model_dump(mode="json"),
        "evaluate": scoring.model_dump(mode="json"),
        "two_step": two_step_inputs(two_step, parameters),
    }
    with (
        resuming(name, options, inputs) as checkpoints,
        ShownProgress(name) as progress,
    ):
        finished = FinishedRun(checkpoints.folder, made_with)
        if alone and (known := finished.read()) is not None:
            click.echo(f"{name}: was finished before, see {finished.path}", err=True)
            return known
        network, _history = train_student(data, options, teachers, progress, checkpoints)
        split, images = data.split("test"), data.images("test")
        kept, device = KeptBlocks(checkpoints.folder / "pairs"), make_fabric().device
        progress.begin(f"{name}: inference")
        detections = joint_detections(
            network, split, images, inference, device=device, progress=progress, kept=kept
        )
        results: dict[str, Mapping[str, Any]] = {}
        if detections is not None:  # the first device has them
            score = partial(_scored, split, scoring=scoring, data_set=data.name, device=device)
            results[student] = score(detections)
            for who, teacher in embedders.items():
                progress.begin(f"{name}: embedded by {who}")
                embedded = embedded_detections(
                    teacher,
                    detections,
                    split,
                    images,
                    context_threshold=inference.context_threshold,
                    device=device,
                    progress=progress,
                )
                results[f"{student}_by_{who}"] = score(embedded) | {EMBEDDED_BY: who}
        kept.remove()
        if alone:
            finished.write(results)
    return results or None


def _scored(
    split: Split,
    detections: Detections,
    scoring: EvaluationOptions,
    data_set: str,
    device: torch.device,
) -> dict[str, Any]:
    """Return the metrics of a run, the average precision of each query, and what it was made with."""
    metrics = evaluate(split, detections, scoring, data_set)
    gallery = metrics["protocol"]["gallery"]
    if data_set in WHOLE_PIXEL_DATA_SETS:  # as `evaluate` does, so that each query's value is one of its mean
        split = in_whole_pixels(split)
    found = query_results(split, detections, gallery, search_threshold=scoring.search_threshold)
    true_boxes = {}
    if detections.has_ground_truth_feats:
        true_boxes = {TRUE_BOX_QUERIES: _rounded(true_box_results(split, detections, gallery))}
    return {
        **metrics,
        QUERIES: _rounded(found),
        **true_boxes,
        QUERY_SCENES: [split.scenes[query.scene].name for query in split.queries],
        ENVIRONMENT: environment(device) | _origin(),
    }


@cache
def _origin() -> dict[str, str]:
    """Return the commit of the code and the CPU, as they were when this process first asked."""
    return origin()


def _rounded(results: Sequence[QueryResult]) -> list[float]:
    return [round(result.ap, 6) for result in results]


if __name__ == "__main__":
    main()
