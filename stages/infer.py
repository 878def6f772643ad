"""Stage `infer`: run one student over the test scenes, once for galleries and queries."""

from pathlib import Path

import click

from pipeline.basics.atomic import write_atomically
from pipeline.basics.options import parse_options
from pipeline.evaluation.detections_file import write_detections
from pipeline.inference.cost import cost_text
from pipeline.inference.options import InferenceOptions
from pipeline.inference.students import search_detections, student_cost
from pipeline.models.weights import load_student
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.running import ShownProgress, say, stage

PARAMS = ("infer",)
PREPARED = Path("data/prepared")


@stage
@click.option("--row", required=True, help="Which student to run.")
def main(row: str) -> None:
    """Run a student over the test scenes."""
    parameters = Parameters(PARAMS)
    options = parse_options(InferenceOptions, parameters.section("infer"), parameters.where("infer"))
    data = open_prepared(PREPARED)
    network = load_student(Path(f"models/students/{row}.safetensors"))
    with ShownProgress(f"infer@{row}") as progress:
        detections = search_detections(
            network,
            data.split("test"),
            data.images("test"),
            batch_size=options.batch_size,
            context_threshold=options.context_threshold,
            report=progress,
        )
    cost = student_cost(network, data.images("test"), len(data.split("test").scenes))
    out = Path(f"results/{row}/detections.h5")
    write_detections(detections, out)
    write_atomically(Path(f"results/{row}/cost.json"), cost_text(cost))
    say(
        f"{out}: {len(detections.gallery_dets)} detections in {len(detections.gallery_names)} scenes, "
        f"{cost['flops'] / 1e9:.2f} GFLOPs a scene"
    )


if __name__ == "__main__":
    main()
