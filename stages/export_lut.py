"""Stage `export_lut`: write the re-ID teacher's knowledge as one row an identity."""

from pathlib import Path
from typing import get_args

import click
import numpy as np
from pydantic import Field

from pipeline.basics.hashing import sha256_of
from pipeline.basics.options import Options
from pipeline.devices import make_fabric
from pipeline.inference.crops import crop_embeddings, people_of
from pipeline.inference.sharing import Gathering
from pipeline.lookup_table import Average, LookupTable, mean_features, write_lookup_table
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, PREPARED, REID, TABLE
from stages.support.running import ShownProgress, joint_stage, say

PARAMS = ("export_lut",)


class ExportOptions(Options):
    """How boxes are averaged to a row, and how many crops are embedded at a time."""

    average: Average
    batch_size: int = Field(gt=0)


@joint_stage
@click.option("--average", type=click.Choice(get_args(Average)), help="In place of the parameter's.")
@click.option(
    "--table",
    "path",
    type=click.Path(path_type=Path),
    default=TABLE,
    show_default=True,
    help="The file to make.",
)
def main(average: Average | None, path: Path) -> None:
    """Write the look-up table of ID features. Several devices share the crops."""
    options = Parameters(PARAMS).options("export_lut", ExportOptions)
    data, crops = open_prepared(PREPARED), open_prepared(CROPS)
    split, images, device = crops.split("train"), crops.images("train"), make_fabric().device
    model, gathering = ReidModel.load(REID), Gathering()
    with ShownProgress("export_lut") as progress:
        own = crop_embeddings(model, split, images, options.batch_size, device, progress, gathering.share)
        found = gathering.on_first(own)
    if found is None:
        return
    embeddings, person_ids = np.concatenate(found), people_of(split)
    features, ids, counts = mean_features(embeddings, person_ids, average or options.average)
    write_lookup_table(path, LookupTable(features, ids, counts, data.name, data.sha256, sha256_of(REID)))
    say(f"{path}: {len(ids)} identities x {features.shape[1]}, from {counts.sum()} boxes")


if __name__ == "__main__":
    main()
