"""`person-search export`: write a trained student as one ONNX file."""

from pathlib import Path

import click

from commands.places import GivenPath, check_can_make, check_weights
from person_search.extras import own
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

MEGABYTE = 1e6


@click.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    required=True,
    help="A student: models/students/NAME.safetensors.",
)
@click.option("--out", type=GivenPath(path_type=Path), required=True, help="The file to write, NAME.onnx.")
@click.option("--half", is_flag=True, help="Compute the heavy layers in float16: half the file, for GPUs.")
@click.option("--int8", is_flag=True, help="Compute convolutions in 8 bits, for CPUs; needs --calibration.")
@click.option(
    "--calibration",
    type=GivenPath(path_type=Path),
    help="With --int8: a prepared data set (data/prepared), whose training scenes are looked at.",
)
@click.option("--dynamic-batch", is_flag=True, help="Take several pictures of one size at once.")
@click.option("--embed-only", is_flag=True, help="Embed given boxes alone; look for nobody.")
def export(
    weights: Path,
    out: Path,
    half: bool,
    int8: bool,
    calibration: Path | None,
    dynamic_batch: bool,
    embed_only: bool,
) -> None:
    """Write a student as an ONNX file that takes a picture as it is and gives boxes, scores and embeddings.

    Preprocessing, suppression and everything else is inside: see docs/export.md for inputs and outputs.
    """
    if half and int8:
        raise UserError("--half and --int8 exclude each other; give one of them")
    if int8 != (calibration is not None):
        raise UserError("--int8 and --calibration go together: give both, or none of them")
    if out.suffix.lower() != ".onnx":
        raise UserError(f"--out {printable(out)}: call it NAME.onnx")
    check_weights(weights)
    check_can_make(out.parent, out.name, "--out")
    described = own("person_search.export.exporting", "pipeline,export").export_network(
        weights,
        out,
        precision="float16" if half else "int8" if int8 else "float32",
        batch=dynamic_batch,
        task="embed" if embed_only else "search",
        calibration=calibration,
    )
    what = "embeds boxes" if embed_only else "finds and embeds people"
    click.echo(
        f"{printable(out)}: {what}, head {described.head}, {described.embedding_dim} numbers a person, "
        f"{described.precision}, {out.stat().st_size / MEGABYTE:.1f} MB"
    )
