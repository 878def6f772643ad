"""Stage `evaluate`: score one student's detections by the data set's protocol."""

import click

from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.json_files import write_json
from pipeline.basics.tsv_files import write_tsv
from pipeline.evaluation.average_precision import thinned
from pipeline.evaluation.detection import detection_curve
from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results
from stages.support.running import say, stage

PARAMS = ("evaluate",)
EVERY_SCORE = 0.0
"""Score threshold of the curve: it shows all detections, also those that the metrics leave out."""


@stage
@click.option("--student", required=True, help="Which student's detections to score.")
def main(student: str) -> None:
    """Score a student's detections: write its metrics, and the curve of precision over recall."""
    parameters, folder = Parameters(PARAMS), student_results(student)
    options = parameters.options("evaluate", EvaluationOptions)
    found = folder / "detections.h5"
    parameters.check_student(student, found)
    data, detections = open_prepared(PREPARED), read_detections(found)
    split = data.split("test")
    metrics = evaluate(split, detections, options, data.name, threads=cpu_threads())
    curve = detection_curve(split.scenes, detected_boxes(split, detections).without_feats(), EVERY_SCORE)
    few = thinned(curve)
    points = zip(few.recall, few.precision, strict=True)
    write_tsv(folder / "precision_recall.tsv", ("recall", "precision"), points)
    out = folder / "metrics.json"
    write_json(out, metrics)
    search, detection = metrics["search"], metrics["detection"]
    say(
        f"{out}: search mAP {search['mAP']:.4f}, top-1 {search['top1']:.4f}; "
        f"COCO AP50 {detection['coco_ap50']:.4f}"
    )


if __name__ == "__main__":
    main()
