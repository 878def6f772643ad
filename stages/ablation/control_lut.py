"""Stage `control_lut`: write a table without the teacher's knowledge, for the ablation."""

from pathlib import Path
from typing import get_args

import click

from pipeline.lookup_table import read_lookup_table, write_lookup_table
from stages.ablation.control_tables import Control, control_table
from stages.support.paths import TABLE
from stages.support.running import say, stage


@stage
@click.option("--control", type=click.Choice(get_args(Control)), required=True, help="What kind.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random numbers."
)
def main(control: Control, seed: int) -> None:
    """Write a control of the teacher's table."""
    table = control_table(read_lookup_table(TABLE), control, seed)
    out = Path(f"artifacts/id_lut_{control}.h5")
    write_lookup_table(out, table)
    say(f"{out}: {len(table.person_ids)} identities x {table.features.shape[1]}, {control}")


if __name__ == "__main__":
    main()
