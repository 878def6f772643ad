"""Stage `ablation.ablate`: train, run and score one student with several seeds; only metrics are kept."""

import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from typing import Any

import click

from pipeline.basics.errors import UserError
from pipeline.basics.interruption import Interrupted
from pipeline.basics.json_files import write_json
from pipeline.devices import make_fabric, placement
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.pairs import KeptBlocks
from pipeline.inference.students import joint_detections
from pipeline.reporting.comparison.origin import origin
from pipeline.reporting.comparison.run_file import ENVIRONMENT, FURTHER, QUERIES
from pipeline.reporting.ranking import query_results
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import Split
from pipeline.training.engine.environment import environment
from pipeline.training.student.options import StudentOptions, with_dim_of_table
from pipeline.training.student.teachers import read_teachers
from pipeline.training.student.training import train_student
from stages.support.checkpoint_folder import resuming
from stages.support.errors import SIGNAL_CODE
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, RESULTS
from stages.support.running import ShownProgress, joint_stage, say
from stages.support.starter import end_with_parent

PARAMS = ("network", "train_student", "infer", "evaluate", "students.{student}")
Result = Mapping[str, Any] | None
"""What a run reaches; of devices that run together, the first has it and the others have None."""


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
def main(student: str, seeds: tuple[int, ...], at_once: int, further: bool) -> None:
    """Train one student with several seeds, and write what each run reaches on the test scenes."""
    if at_once > 1 and (devices := placement().devices) > 1:
        raise UserError(f"{devices} devices train one seed after another: leave --at-once at 1")
    if at_once > 1:
        results = _beside_one_another(student, seeds, at_once)
    else:
        results = [_run(student, seed) for seed in seeds]
    runs = {str(seed): result for seed, result in zip(seeds, results, strict=True) if result is not None}
    if not runs:
        return  # the first device has them
    out = (RESULTS / FURTHER if further else RESULTS) / f"{student}.json"
    write_json(out, runs, indent=1)
    reached = ", ".join(f"{run['search']['mAP']:.4f}" for run in runs.values())
    detected = ", ".join(f"{run['detection']['coco_ap50']:.4f}" for run in runs.values())
    say(f"{out}: search mAP {reached}; COCO AP50 {detected}")


def _beside_one_another(student: str, seeds: Sequence[int], at_once: int) -> list[Result]:
    """Run the seeds in processes of their own, which end when this one does."""
    try:
        with ProcessPoolExecutor(at_once, get_context("spawn"), _start_process) as pool:
            try:
                return list(pool.map(partial(_run_in_process, student), seeds))
            except (SystemExit, KeyboardInterrupt):
                for process in active_children():
                    process.terminate()  # its training keeps its state; otherwise the pool waits for its end
                raise
    except BrokenProcessPool:
        raise UserError(f"ablate@{student}: a process was stopped or killed; run it again to go on") from None


def _start_process() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside of a training, Ctrl-C is no traceback


def _run_in_process(student: str, seed: int) -> Result:
    try:
        return _run(student, seed)
    except Interrupted as interruption:
        click.echo(f"ablate@{student}-{seed}: {interruption}; run it again to go on from there", err=True)
        # As an error, it would be given to a pool that may be gone, and the process would wait for more work.
        os._exit(SIGNAL_CODE + interruption.signal)


def _run(student: str, seed: int) -> Result:
    """Train a student with one seed, and return what it reaches. Several devices share the test scenes."""
    parameters = Parameters(PARAMS, student=student)
    inference = parameters.options("infer", InferenceOptions)
    scoring = parameters.options("evaluate", EvaluationOptions)
    own = f"students.{student}"
    options = parameters.options("train_student", StudentOptions, own, {"seed": seed})
    data, name = open_prepared(PREPARED), f"ablate@{student}-{seed}"
    options = with_dim_of_table(options, f"{parameters.path}: {own}")
    teachers = read_teachers(options, data, f"{parameters.path}: {own}")
    inputs = {"data": data.sha256, **teachers.sha256}
    with (
        resuming(name, options, inputs) as checkpoints,
        ShownProgress(name) as progress,
    ):
        network, _history = train_student(data, options, teachers, progress, checkpoints)
        split, kept = data.split("test"), KeptBlocks(checkpoints.folder / "pairs")
        progress.begin(f"{name}: inference")
        detections = joint_detections(
            network,
            split,
            data.images("test"),
            inference,
            device=make_fabric().device,
            progress=progress,
            kept=kept,
        )
        kept.remove()
    if detections is None:
        return None
    device = next(network.parameters()).device
    return _scored(split, detections, scoring, data.name) | {ENVIRONMENT: environment(device) | origin()}


def _scored(
    split: Split, detections: Detections, scoring: EvaluationOptions, data_set: str
) -> dict[str, Any]:
    """Return the metrics of a run and the average precision of each query."""
    metrics = evaluate(split, detections, scoring, data_set)
    gallery = metrics["protocol"]["gallery"]
    results = query_results(split, detections, gallery, search_threshold=scoring.search_threshold)
    return {**metrics, QUERIES: [round(result.ap, 6) for result in results]}


if __name__ == "__main__":
    main()
