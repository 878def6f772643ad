"""Stage `ablate`: train, run and score one row with several seeds; only the figures are kept."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.basics.interruption import Interrupted
from pipeline.basics.options import parse_options
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.reporting.comparison.run_file import ENVIRONMENT, QUERIES
from pipeline.reporting.ranking import query_results
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.training.environment import environment
from pipeline.training.student.training import StudentOptions, train_student
from stages.support.detector_teacher import DETECTOR, teacher_detector
from stages.support.parameters import Parameters
from stages.support.running import SIGNAL_CODE, ShownProgress, say, stage
from stages.support.starter import end_with_parent
from stages.support.student import PREPARED, student_options, student_training
from stages.support.table_teacher import TABLE, teacher_table

PARAMS = ("train_student", "infer", "evaluate", "students.{row}")


@stage
@click.option("--row", required=True, help="Which entry of `students` in params.yaml.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, required=True, help="One a run.")
@click.option(
    "--table", "path", type=click.Path(path_type=Path), default=TABLE, show_default=True, help="What teaches."
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=1,
    envvar="PERSON_SEARCH_AT_ONCE",
    show_default=True,
    show_envvar=True,
    help="How many seeds are run beside one another, each in a process.",
)
def main(row: str, seeds: tuple[int, ...], path: Path, at_once: int) -> None:
    """Train one row with several seeds, and write what each run reaches on the test scenes."""
    if at_once > 1:
        results = _beside_one_another(row, path, seeds, at_once)
    else:
        results = [_run(row, path, seed) for seed in seeds]
    runs = dict(zip(map(str, seeds), results, strict=True))
    out = Path(f"results/{row}.json")
    write_atomically(out, json.dumps(runs, allow_nan=False, indent=1) + "\n")
    reached = ", ".join(f"{run['search']['mAP']:.4f}" for run in runs.values())
    detected = ", ".join(f"{run['detection']['coco_ap50']:.4f}" for run in runs.values())
    say(f"{out}: search mAP {reached}; COCO AP50 {detected}")


def _beside_one_another(row: str, path: Path, seeds: Sequence[int], at_once: int) -> list[Mapping[str, Any]]:
    """Run the seeds in processes that end with this one."""
    try:
        with ProcessPoolExecutor(at_once, get_context("spawn"), _start_process) as pool:
            try:
                return list(pool.map(partial(_run_in_process, row, path), seeds))
            except (SystemExit, KeyboardInterrupt):
                for process in active_children():
                    process.terminate()  # its training keeps its state; otherwise the pool waits for its end
                raise
    except BrokenProcessPool:
        raise UserError(f"ablate@{row}: a process was stopped or killed; run it again to go on") from None


def _start_process() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside of a training, Ctrl-C is no traceback


def _run_in_process(row: str, path: Path, seed: int) -> Mapping[str, Any]:
    try:
        return _run(row, path, seed)
    except Interrupted as interruption:
        click.echo(f"ablate@{row}-{seed}: {interruption}; run it again to go on from there", err=True)
        # As an error, it would be given to a pool that may be gone, and the process would wait for more work.
        os._exit(SIGNAL_CODE + interruption.signal)


def _run(row: str, path: Path, seed: int) -> Mapping[str, Any]:
    """Train a row with one seed, and return what it reaches."""
    parameters = Parameters(PARAMS, row=row)
    inference = parse_options(InferenceOptions, parameters.section("infer"), parameters.where("infer"))
    scoring = parse_options(EvaluationOptions, parameters.section("evaluate"), parameters.where("evaluate"))
    options = student_options(parameters, "train_student", f"students.{row}", seed)
    data = open_prepared(PREPARED)
    name = f"ablate@{row}-{seed}"
    network = _trained(name, options, data, path)
    with ShownProgress(f"{name}: inference") as progress:
        return _scored(network, data, inference, scoring, progress)


def _trained(name: str, options: StudentOptions, data: PreparedDataSet, path: Path) -> PersonSearchNetwork:
    table = teacher_table(data, options, path) if options.identity.needs_table else None
    detector = teacher_detector() if options.detector_distillation is not None else None
    inputs = {"table": sha256_of(path), "detector": sha256_of(DETECTOR)}
    with student_training(name, options, data, inputs) as (progress, checkpoints):
        network, _history = train_student(
            data, options, table, progress, detector_teacher=detector, checkpoints=checkpoints
        )
    return network


def _scored(
    network: PersonSearchNetwork,
    data: PreparedDataSet,
    inference: InferenceOptions,
    scoring: EvaluationOptions,
    report: ShownProgress,
) -> Mapping[str, Any]:
    """Return the metrics of a run, the average precision of each query, and what it ran on."""
    split = data.split("test")
    detections = search_detections(
        network,
        split,
        data.images("test"),
        batch_size=inference.batch_size,
        context_threshold=inference.context_threshold,
        report=report,
    )
    metrics = evaluate(split, detections, scoring, data.name)
    gallery = metrics["protocol"]["gallery"]
    results = query_results(split, detections, gallery, search_threshold=scoring.search_threshold)
    device = next(network.parameters()).device
    return metrics | {
        QUERIES: [round(result.ap, 6) for result in results],
        ENVIRONMENT: environment(device),
    }


if __name__ == "__main__":
    main()
