"""Stage `evaluate_teachers`: score the teachers on the test scenes, alone and as a two-step search."""

from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.json_files import write_json
from pipeline.devices import one_device
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.two_step import two_step_cost, two_step_detections
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import DETECTOR, PREPARED, REID, TEACHER_RESULTS
from stages.support.running import ShownProgress, say, stage

PARAMS = ("infer", "evaluate")


@stage
def main() -> None:
    """Score the two teachers."""
    parameters = Parameters(PARAMS)
    inference = parameters.options("infer", InferenceOptions)
    options = parameters.options("evaluate", EvaluationOptions)
    data = open_prepared(PREPARED)
    split, images, device = data.split("test"), data.images("test"), one_device()
    detector, model = Detector.load(DETECTOR), ReidModel.load(REID)
    with ShownProgress("evaluate_teachers") as progress:
        detections = two_step_detections(
            detector,
            model,
            split,
            images,
            context_threshold=inference.context_threshold,
            device=device,
            progress=progress,
        )
    metrics = evaluate(split, detections, options, data.name, threads=cpu_threads())
    cost = two_step_cost(detector, model, images, len(split.scenes), device)
    out = TEACHER_RESULTS / "metrics.json"
    write_json(out, metrics)
    write_json(TEACHER_RESULTS / "cost.json", cost)
    say(
        f"{out}: detector COCO AP50 {metrics['detection']['coco_ap50']:.4f}, "
        f"re-ID on ground-truth boxes mAP {metrics['search_ground_truth_boxes']['mAP']:.4f}, "
        f"both together mAP {metrics['search']['mAP']:.4f}"
    )


if __name__ == "__main__":
    main()
