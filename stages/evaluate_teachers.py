"""Stage `evaluate_teachers`: what the teachers reach on the test scenes, alone and as a two-step search."""

from pathlib import Path

from pipeline.basics.atomic import write_atomically
from pipeline.basics.options import parse_options
from pipeline.evaluation.metrics import EvaluationOptions, evaluate, metrics_text
from pipeline.inference.cost import cost_text
from pipeline.inference.options import InferenceOptions
from pipeline.inference.two_step import two_step_cost, two_step_detections
from pipeline.models.weights import load_detector, load_reid
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.running import ShownProgress, say, stage

PARAMS = ("infer", "evaluate")
PREPARED = Path("data/prepared")
DETECTOR = Path("models/teachers/detector.safetensors")
REID = Path("models/teachers/reid.safetensors")
METRICS = Path("results/teachers/metrics.json")
COST = Path("results/teachers/cost.json")


@stage
def main() -> None:
    """Score the two teachers."""
    parameters = Parameters(PARAMS)
    inference = parse_options(InferenceOptions, parameters.section("infer"), parameters.where("infer"))
    options = parse_options(EvaluationOptions, parameters.section("evaluate"), parameters.where("evaluate"))
    data = open_prepared(PREPARED)
    split = data.split("test")
    detector, model = load_detector(DETECTOR), load_reid(REID)
    with ShownProgress("evaluate_teachers") as progress:
        detections = two_step_detections(
            detector,
            model,
            split,
            data.images("test"),
            context_threshold=inference.context_threshold,
            report=progress,
        )
    metrics = evaluate(split, detections, options, data.name)
    cost = two_step_cost(detector, model, data.images("test"), len(split.scenes))
    write_atomically(METRICS, metrics_text(metrics))
    write_atomically(COST, cost_text(cost))
    say(
        f"{METRICS}: detector COCO AP50 {metrics['detection']['coco_ap50']:.4f}, "
        f"re-ID on ground-truth boxes mAP {metrics['search_ground_truth_boxes']['mAP']:.4f}, "
        f"both together mAP {metrics['search']['mAP']:.4f}"
    )


if __name__ == "__main__":
    main()
