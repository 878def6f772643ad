"""Stage `train_student`: train one row of distilled students, against the teacher's table."""

from pathlib import Path

import click
import torch

from pipeline.data.prepared import open_prepared
from pipeline.lookup_table import check_fits, read_lookup_table
from pipeline.training.student import train_student
from stages.parameters import Parameters
from stages.running import ShownProgress, stage
from stages.student import PREPARED, student_options, write_student

PARAMS = ("train_student", "students.{row}")
TABLE = Path("artifacts/id_lut.h5")


@stage
@click.option("--row", required=True, help="Which entry of `students` in params.yaml to train.")
def main(row: str) -> None:
    """Train a distilled student. Only the table is read, never the re-ID teacher."""
    options = student_options(Parameters(PARAMS, row=row), "train_student", f"students.{row}")
    data = open_prepared(PREPARED)
    table = read_lookup_table(TABLE)
    identities = data.manifest["splits"]["train"]["counts"]["identities"]
    check_fits(table, TABLE, data.name, data.sha256, identities, options.network.embedding_dim)
    with ShownProgress(f"train_student@{row}") as progress:
        network, history = train_student(data, options, torch.from_numpy(table.features), progress)
    write_student(row, network, options, history)


if __name__ == "__main__":
    main()
