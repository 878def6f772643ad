"""`person-search weights`: say what a weight file or an exported network holds and where it comes from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from commands.tables import table_text
from person_search.networks.exported_file import ExportedFile
from person_search.networks.loading import described_export
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
    """Say which network FILE holds, and what it was trained on.

    FILE is a weight file of the pipeline, or a network of `person-search export`.
    """
    exported = described_export(file)
    lines = _lines(describe_weights(file)) if exported is None else _lines_of_export(exported)
    click.echo(f"{file}\n{table_text(lines, indent=2)}")


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
        yield "scenes", _scenes(architecture)
    if "crop_height" in architecture:
        yield "crops", f"{architecture['crop_height']} x {architecture['crop_width']} pixels (height x width)"
    origin = description.origin
    yield "trained on", "the file does not say" if origin is None else f"data set '{origin.data_set}'"
    for name, sha256 in ({} if origin is None else origin.sha256).items():
        yield f"  {name}", sha256[:HASH_SHOWN]


def _lines_of_export(exported: ExportedFile) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line that is shown of an exported network."""
    yield "network", f"{KINDS['person_search']}, exported"
    yield "head", exported.head
    yield "embedding", f"{exported.embedding_dim} dimensions"
    yield "scenes", _scenes(exported.preprocessing)
    yield "computes in", exported.precision
    yield "takes", _takes(exported)
    yield "made from", f"weights {exported.weights_sha256[:HASH_SHOWN]}"


def _takes(exported: ExportedFile) -> str:
    pictures = "several pictures of one size" if exported.batch else "a picture"
    return f"{pictures}, with boxes that it embeds" if exported.task == "embed" else pictures


def _scenes(preprocessing: Mapping[str, Any]) -> str:
    return f"short side {preprocessing['short_side']}, long side at most {preprocessing['long_side']} pixels"
