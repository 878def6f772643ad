"""`person-search weights`: say what a weight file holds, and what its network was trained on."""

from collections.abc import Iterator
from pathlib import Path

import click

from commands.tables import table_text
from pipeline.models.weight_files import Description, describe_weights

KINDS = {
    "detector": "detector",
    "reid": "re-identification model (sees crops)",
    "person_search": "person-search network",
}
DEFAULT_HEAD = "oim"
"""A file names only the options that differ from what they were before there were several."""
HASH_SHOWN = 12
"""Digits of a SHA-256 that are shown."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
def weights(file: Path) -> None:
    """Say which network the weight file FILE holds, and what it was trained on."""
    description = describe_weights(file)
    click.echo(f"{file}")
    click.echo(table_text(_lines(description), indent=2))


def _lines(description: Description) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line that is shown."""
    architecture = description.architecture
    yield "network", KINDS.get(description.kind, description.kind)
    if description.kind == "person_search":
        yield "head", str(architecture.get("head", DEFAULT_HEAD))
    backbone = architecture["backbone"]
    width = f", {backbone['width']:g} times the channels" if backbone.get("width", 1.0) != 1.0 else ""
    yield "backbone", f"{backbone['name']}{width}"
    yield "parameters", f"{description.parameters:,}"
    if "embedding_dim" in architecture:
        yield "embedding", f"{architecture['embedding_dim']} dimensions"
    if "short_side" in architecture:
        yield (
            "scenes",
            f"short side {architecture['short_side']}, long side at most {architecture['long_side']} pixels",
        )
    if "crop_height" in architecture:
        yield "crops", f"{architecture['crop_height']} x {architecture['crop_width']} pixels (height x width)"
    origin = description.origin
    yield "trained on", "the file does not say" if origin is None else f"data set '{origin.data_set}'"
    for name, sha256 in ({} if origin is None else origin.sha256).items():
        yield f"  {name}", sha256[:HASH_SHOWN]
