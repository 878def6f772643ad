"""Stage `export_lut`: write what a teacher knows of each training person as one row of a table."""

from pathlib import Path
from typing import Literal

import click
import numpy as np
from pydantic import Field

from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.basics.options import Options
from pipeline.devices import make_fabric
from pipeline.inference.crops import crop_embeddings, people_of
from pipeline.inference.labelled import labelled_embeddings, labelled_people
from pipeline.inference.sharing import Gathering
from pipeline.lookup_table import Average, LookupTable, mean_features, write_lookup_table
from pipeline.models.heads import load_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import open_prepared
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, PREPARED, table_file
from stages.support.running import ShownProgress, joint_stage, say

PARAMS = ("export_lut", "tables.{table}")


class ExportOptions(Options):
    """How many crops, or whole scenes where an end-to-end network teaches, are embedded at a time."""

    batch_size: int = Field(gt=0)
    scene_batch_size: int = Field(gt=0)


class TableOptions(Options):
    """Where a table comes from.

    Attributes:
        kind: what the teacher is: `crops`, a re-ID model that sees crops; `network`, a person-search network
            of any head, which sees whole scenes.
        teacher: its weight file, from the project's root.
        average: how the embeddings of a person's boxes become the person's row.
    """

    kind: Literal["crops", "network"]
    teacher: str
    average: Average


@joint_stage
@click.option("--table", required=True, help="Which entry of `tables` in params.yaml to make.")
def main(table: str) -> None:
    """Write a look-up table of ID features. Several devices share the crops or scenes."""
    path, parameters = table_file(table), Parameters(PARAMS, table=table)
    options = parameters.options("export_lut", ExportOptions)
    entry = parameters.options(f"tables.{table}", TableOptions)
    data, device = open_prepared(PREPARED), make_fabric().device
    teacher = _teacher(entry, f"{parameters.path}: tables.{table}")
    gathering = Gathering()
    with ShownProgress(f"export_lut@{table}") as progress:
        if isinstance(teacher, ReidModel):
            crops = open_prepared(CROPS)
            split, images = crops.split("train"), crops.images("train")
            own = crop_embeddings(
                teacher, split, images, options.batch_size, device, progress, gathering.share
            )
            person_ids = people_of(split)
        else:
            split, images = data.split("train"), data.images("train")
            own = labelled_embeddings(
                teacher, split, images, options.scene_batch_size, device, progress, gathering.share
            )
            person_ids = np.concatenate([people.person_ids for people in labelled_people(split)])
        found = gathering.on_first(own)
    if found is None:
        return  # the first device writes
    features, ids, counts = mean_features(np.concatenate(found), person_ids, entry.average)
    teacher_sha256 = sha256_of(Path(entry.teacher))
    write_lookup_table(path, LookupTable(features, ids, counts, data.name, data.sha256, teacher_sha256))
    say(f"{path}: {len(ids)} identities x {features.shape[1]}, from {counts.sum()} boxes")


def _teacher(entry: TableOptions, where: str) -> ReidModel | PersonSearchNetwork:
    """Load a table's teacher. Raises `UserError` where it cannot be loaded, or is of another kind."""
    try:
        return (ReidModel.load if entry.kind == "crops" else load_student)(Path(entry.teacher))
    except UserError as error:
        raise UserError(f"{where}: no teacher of kind '{entry.kind}': {error}") from None


if __name__ == "__main__":
    main()
