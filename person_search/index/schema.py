"""What a store of people is made of: its columns, and what is said about them beside them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

FORMAT_VERSION = 1
ABOUT_KEY = b"person_search"
"""The key of the schema's metadata under which `About` stands, as JSON."""
BOX = ("x1", "y1", "x2", "y2")
MOST_FRAMES = 2**31 - 1
"""The largest number of a frame: the column has 32 bits."""
DTYPES = {"float16": pa.float16(), "float32": pa.float32()}
HASH_DIGITS_SHOWN = 12
Dtype = Literal["float16", "float32"]


@dataclass(frozen=True)
class About:
    """What all embeddings of a store have in common; others cannot be compared with them.

    Attributes:
        model_hash: SHA-256 of the weight file, in hexadecimal digits.
        embedding_dim: D, the length of an embedding.
        preprocessing: what is done to a picture before the network sees it, as plain values for JSON.
        dtype: how embeddings are kept.
        format_version: of the files.
        weights: where the weight file was when the store was made, as text; stores are not compared by it.
    """

    model_hash: str
    embedding_dim: int
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    dtype: Dtype = "float16"
    format_version: int = FORMAT_VERSION
    weights: str = ""

    def __post_init__(self) -> None:
        """Refuse what no store can have.

        Raises:
            ValueError: another dtype, or no dimension.
        """
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype}: it must be one of {', '.join(DTYPES)}")
        if self.embedding_dim < 1:
            raise ValueError(f"embeddings of {self.embedding_dim} numbers: there must be one at least")

    def as_json(self) -> str:
        """Return it as one line of JSON, the same for equal content."""
        return _json(asdict(self))

    def check(self, wanted: "About", path: Path) -> None:
        """Check that a store is what somebody wants.

        Args:
            wanted: what it should be.
            path: the store, for the message.

        Raises:
            UserError: it is something else; the line names both.
        """
        for name, text in _SAID.items():
            has, wants = getattr(self, name), getattr(wanted, name)
            if name == "preprocessing":
                has, wants = _json(has), _json(wants)
            if has != wants:
                raise UserError(
                    f"{printable(path)} holds people of {text} {_short(name, has)}, this is {text} "
                    f"{_short(name, wants)}: name another folder, or index the sources anew in an empty one"
                )


_SAID = {
    "format_version": "format",
    "model_hash": "model",
    "embedding_dim": "embedding dimension",
    "preprocessing": "preprocessing",
    "dtype": "dtype",
}
"""The attributes of `About` in the order in which they are compared, and what a message calls them."""


def schema_of(about: About) -> pa.Schema:
    """Return the schema of a store's files: one row a person."""
    element = pa.field("item", DTYPES[about.dtype], nullable=False)
    columns = [
        ("source", pa.string(), False),
        ("frame", pa.int32(), False),
        ("time", pa.timestamp("us", "UTC"), True),
        ("camera", pa.string(), True),
        *((name, pa.float32(), False) for name in BOX),
        ("score", pa.float32(), False),
        ("embedding", pa.list_(element, about.embedding_dim), False),
    ]
    fields_ = [pa.field(name, kind, nullable=nullable) for name, kind, nullable in columns]
    return pa.schema(fields_, metadata={ABOUT_KEY: about.as_json().encode()})


def about_of(schema: pa.Schema, path: Path) -> About:
    """Return what a file's schema says about its embeddings.

    Args:
        schema: the file's.
        path: the file, for the message.

    Raises:
        UserError: it is no file of a store, is of a newer format, or has other columns than it says.
    """
    content = _parsed((schema.metadata or {}).get(ABOUT_KEY))
    if content is None or not isinstance(version := content.get("format_version"), int):
        raise UserError(f"{printable(path)} is no part of a store of people: move it out of the folder")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{printable(path)} has format {version}, this program reads format {FORMAT_VERSION}: "
            "use the program that wrote it, or index the sources anew in an empty folder"
        )
    try:
        about = About(**{name.name: content[name.name] for name in fields(About)})
        matches = schema_of(about).equals(schema)
    except (KeyError, TypeError, ValueError):
        matches = False
    if not matches:
        raise UserError(f"{printable(path)} has not the columns of a store of people: move it away")
    return about


def _parsed(text: bytes | None) -> dict[str, Any] | None:
    try:
        content = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, default=dict)


def _short(name: str, value: object) -> str:
    return str(value)[:HASH_DIGITS_SHOWN] if name == "model_hash" else str(value)
