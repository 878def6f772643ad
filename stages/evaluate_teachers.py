"""Stage `evaluate_teachers`: score the teachers on the test scenes, alone and as a two-step search."""

from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.json_files import write_json
from pipeline.devices import make_fabric
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from pipeline.inference.options import InferenceOptions
from pipeline.inference.sharing import Gathering
from pipeline.inference.students import assemble
from pipeline.inference.two_step import two_step_cost, two_step_scenes
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import DETECTOR, PREPARED, REID, TEACHER_RESULTS
from stages.support.running import ShownProgress, joint_stage, say

PARAMS = ("infer", "evaluate")


@joint_stage
def main() -> None:
    """Score the two teachers. Several devices share the scenes."""
    parameters = Parameters(PARAMS)
    inference = parameters.options("infer", InferenceOptions)
    options = parameters.options("evaluate", EvaluationOptions)
    data = open_prepared(PREPARED)
    split, images, device = data.split("test"), data.images("test"), make_fabric().device
    detector, model, gathering = Detector.load(DETECTOR), ReidModel.load(REID), Gathering()
    with ShownProgress("evaluate_teachers") as progress:
        own = two_step_scenes(
            detector, model, split, images, device=device, progress=progress, share=gathering.share
        )
        found = gathering.on_first(own)
    if found is None:
        return
    detections = assemble(split, found, inference.context_threshold)
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
