"""Stage `infer`: run a student over the test scenes once, for galleries and queries alike."""

import click

from pipeline.basics.json_files import write_json
from pipeline.devices import make_fabric
from pipeline.evaluation.detections_file import write_detections
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import joint_detections, student_cost
from pipeline.models.heads import load_student
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results, student_weights
from stages.support.running import ShownProgress, joint_stage, say

PARAMS = ("infer",)


@joint_stage
@click.option("--student", required=True, help="Which student to run.")
def main(student: str) -> None:
    """Detect and embed everybody in the test scenes. Several devices share them."""
    parameters, weights = Parameters(PARAMS), student_weights(student)
    options = parameters.options("infer", InferenceOptions)
    parameters.check_student(student, weights)
    data = open_prepared(PREPARED)
    split, images, device = data.split("test"), data.images("test"), make_fabric().device
    network = load_student(weights)
    with ShownProgress(f"infer@{student}") as progress:
        detections = joint_detections(
            network,
            split,
            images,
            batch_size=options.batch_size,
            context_threshold=options.context_threshold,
            device=device,
            progress=progress,
        )
    if detections is None:
        return  # the first device writes
    cost = student_cost(network, images, len(split.scenes), device)
    out = student_results(student) / "detections.h5"
    write_detections(detections, out)
    write_json(student_results(student) / "cost.json", cost)
    say(
        f"{out}: {len(detections.gallery_dets)} detections in {len(detections.gallery_names)} scenes, "
        f"{cost['flops'] / 1e9:.2f} GFLOPs a scene"
    )


if __name__ == "__main__":
    main()
