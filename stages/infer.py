"""Stage `infer`: run one student over the test scenes, once for galleries and queries."""

from pathlib import Path

import click
from pydantic import Field

from pipeline.data.prepared import open_prepared
from pipeline.evaluation.detections_file import write_detections
from pipeline.inference import search_detections
from pipeline.models.weights import load_student
from pipeline.options import Options, parse_options
from stages.parameters import Parameters
from stages.running import ShownProgress, say, stage

PREPARED = Path("data/prepared")


class InferenceOptions(Options):
    """How a student is run: scenes at a time, and the lowest score of a query's neighbours kept for CBGM."""

    batch_size: int = Field(gt=0)
    context_threshold: float = Field(ge=0, le=1)


@stage
@click.option("--row", required=True, help="Which student to run.")
def main(row: str) -> None:
    """Run a student over the test scenes."""
    parameters = Parameters()
    options = parse_options(InferenceOptions, parameters.section("infer"), parameters.where("infer"))
    data = open_prepared(PREPARED)
    network = load_student(Path(f"models/students/{row}.safetensors"))
    with ShownProgress(f"infer@{row}") as progress:
        detections = search_detections(
            network,
            data.split("test"),
            data.images("test"),
            options.batch_size,
            options.context_threshold,
            progress,
        )
    out = Path(f"results/{row}/detections.h5")
    write_detections(detections, out)
    say(f"{out}: {len(detections.gallery_dets)} detections in {len(detections.gallery_names)} scenes")


if __name__ == "__main__":
    main()
