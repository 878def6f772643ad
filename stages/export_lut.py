"""Stage `export_lut`: write the re-ID teacher's knowledge as one row an identity."""

from pathlib import Path
from typing import get_args

import click
from pydantic import Field

from pipeline.basics.hashing import sha256_of
from pipeline.basics.options import Options
from pipeline.devices import one_device
from pipeline.inference.crops import embed_crops
from pipeline.lookup_table import Average, LookupTable, mean_features, write_lookup_table
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, PREPARED, REID, TABLE
from stages.support.running import ShownProgress, say, stage

PARAMS = ("export_lut",)


class ExportOptions(Options):
    """How boxes are averaged to a row, and how many crops are embedded at a time."""

    average: Average
    batch_size: int = Field(gt=0)


@stage
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
    """Write the look-up table of ID features."""
    options = Parameters(PARAMS).options("export_lut", ExportOptions)
    data, crops = open_prepared(PREPARED), open_prepared(CROPS)
    with ShownProgress("export_lut") as progress:
        embeddings, person_ids = embed_crops(
            ReidModel.load(REID),
            crops.split("train"),
            crops.images("train"),
            options.batch_size,
            one_device(),
            progress,
        )
    features, ids, counts = mean_features(embeddings, person_ids, average or options.average)
    write_lookup_table(path, LookupTable(features, ids, counts, data.name, data.sha256, sha256_of(REID)))
    say(f"{path}: {len(ids)} identities x {features.shape[1]}, from {counts.sum()} boxes")


if __name__ == "__main__":
    main()
