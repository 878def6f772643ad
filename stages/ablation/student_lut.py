"""Stage `student_lut`: write a table of a student's own embeddings, for the ablation.

Against the re-ID teacher's table it shows how much of the gain comes from fixed targets, and how much from a
better teacher.
"""

from pathlib import Path

import click
import numpy as np
import torch

from pipeline.basics.hashing import sha256_of
from pipeline.devices import one_device
from pipeline.inference.students import picture, to_numpy
from pipeline.lookup_table import LookupTable, mean_features, write_lookup_table
from pipeline.models.heads import load_student
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import UNLABELLED
from stages.support.paths import PREPARED
from stages.support.running import ShownProgress, say, stage

TABLE = Path("artifacts/id_lut_student.h5")


@stage
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="The student.")
def main(weights: Path) -> None:
    """Write the table of a student's embeddings of the training people."""
    data, device = open_prepared(PREPARED), one_device()
    split, images = data.split("train"), data.images("train")
    network = load_student(weights).to(device)
    embeddings, ids = [], []
    with ShownProgress("student_lut") as progress:
        for index, scene in enumerate(split.scenes):
            labelled = scene.person_ids != UNLABELLED
            boxes = torch.from_numpy(scene.boxes[labelled]).float().to(device)
            if len(boxes):
                _, (embedded,) = network.search([picture(images, index, device)], [boxes])
                embeddings.append(to_numpy(embedded))
                ids.append(scene.person_ids[labelled])
            progress(index + 1, len(split.scenes))
    features, people, counts = mean_features(
        np.concatenate(embeddings), np.concatenate(ids), "mean_then_normalise"
    )
    table = LookupTable(features, people, counts, data.name, data.sha256, sha256_of(weights))
    write_lookup_table(TABLE, table)
    say(f"{TABLE}: {len(people)} identities x {features.shape[1]}, from {counts.sum()} boxes")


if __name__ == "__main__":
    main()
