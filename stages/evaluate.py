"""Stage `evaluate`: score one student's detections to the data set's protocol."""

from pathlib import Path

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.options import parse_options
from pipeline.evaluation.curve_file import write_precision_recall
from pipeline.evaluation.detection import detection_curve
from pipeline.evaluation.detections_file import read_detections
from pipeline.evaluation.metrics import EvaluationOptions, evaluate, metrics_text
from pipeline.evaluation.scene_boxes import detected_boxes
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.running import say, stage

PARAMS = ("evaluate",)
PREPARED = Path("data/prepared")
EVERY_SCORE = 0.0
"""The curve shows all detections, whatever the threshold of the figures."""


@stage
@click.option("--row", required=True, help="Which student's detections to score.")
def main(row: str) -> None:
    """Score a student's detections."""
    parameters = Parameters(PARAMS)
    options = parse_options(EvaluationOptions, parameters.section("evaluate"), parameters.where("evaluate"))
    data = open_prepared(PREPARED)
    detections = read_detections(Path(f"results/{row}/detections.h5"))
    split = data.split("test")
    metrics = evaluate(split, detections, options, data.name)
    curve = detection_curve(split.scenes, detected_boxes(split, detections).without_feats(), EVERY_SCORE)
    write_precision_recall(Path(f"results/{row}/precision_recall.tsv"), curve)
    out = Path(f"results/{row}/metrics.json")
    write_atomically(out, metrics_text(metrics))
    search, detection = metrics["search"], metrics["detection"]
    say(
        f"{out}: search mAP {search['mAP']:.4f}, top-1 {search['top1']:.4f}; "
        f"COCO AP50 {detection['coco_ap50']:.4f}"
    )


if __name__ == "__main__":
    main()
