"""Stage `infer`: run a student over the test scenes once, for galleries and queries alike."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from pipeline.basics.hashing import sha256_of
from pipeline.basics.json_files import write_json
from pipeline.basics.launchers import rank
from pipeline.basics.writable import check_can_write
from pipeline.devices import make_fabric, wait_for_all
from pipeline.evaluation.detections_file import write_detections
from pipeline.inference.options import InferenceOptions
from pipeline.inference.pairs import KeptBlocks, wanted_pairs
from pipeline.inference.students import joint_detections, student_cost
from pipeline.models.heads import load_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import Split
from stages.support.own_folder import own_folder
from stages.support.parameters import Parameters
from stages.support.paths import PREPARED, student_results, student_weights
from stages.support.running import ShownProgress, joint_stage, say

PARAMS = ("infer",)


@joint_stage
@click.option("--student", required=True, help="Which student to run.")
def main(student: str) -> None:
    """Detect and embed everybody in the test scenes. Several devices share them.

    A query-guided student searches pairs of queries and scenes besides, and goes on after an interruption.
    """
    parameters, weights = Parameters(PARAMS), student_weights(student)
    options = parameters.options("infer", InferenceOptions)
    parameters.check_student(student, weights)
    data = open_prepared(PREPARED)
    split, images = data.split("test"), data.images("test")
    _check_galleries(split, options)
    out = student_results(student) / "detections.h5"
    if rank() == 0:
        check_can_write(out)
    device = make_fabric().device
    network, name = load_student(weights), f"infer@{student}"
    inputs = {"data": data.sha256, "weights": sha256_of(weights)}
    with _keeping_pairs(network, name, options, inputs) as kept, ShownProgress(name) as progress:
        detections = joint_detections(
            network, split, images, options, device=device, progress=progress, kept=kept
        )
        if detections is not None:  # the first device writes
            cost = student_cost(network, images, len(split.scenes), device)
            write_detections(detections, out)
            write_json(student_results(student) / "cost.json", cost)
        wait_for_all()  # before finished pairs are removed: the files might not have been written
    if detections is not None:
        counted = "" if detections.pair_counts is None else f", {len(detections.pair_counts)} pairs searched"
        say(
            f"{out}: {len(detections.gallery_dets)} detections in {len(detections.gallery_names)} scenes, "
            f"{cost['flops'] / 1e9:.2f} GFLOPs a scene{counted}"
        )


def _check_galleries(split: Split, options: InferenceOptions) -> None:
    """Raise `UserError` for a gallery that there is not, also where the student searches no pairs."""
    if options.galleries is not None:
        wanted_pairs(split, options.galleries)


@contextmanager
def _keeping_pairs(
    network: PersonSearchNetwork, name: str, options: InferenceOptions, inputs: Mapping[str, str]
) -> Iterator[KeptBlocks | None]:
    """Give a query-guided student its finished pairs, and remove them when the block is done."""
    if not network.trains_on_pairs:
        yield None
        return
    with own_folder(name, options, inputs) as folder:
        kept = KeptBlocks(folder)
        yield kept
        kept.remove()


if __name__ == "__main__":
    main()
