"""The YAML beside a model that somebody else trained: what the model is to be given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import check_is_file
from pipeline.basics.options import Options, parse_options, read_yaml

SUFFIXES = {"onnx": (".onnx",), "torchscript": (".pt", ".pth", ".ts", ".torchscript")}
"""How the files of each kind are called."""
EXAMPLE = (
    "{height: 256, width: 128, channels: rgb, scale: 1, mean: [0.485, 0.456, 0.406], "
    "std: [0.229, 0.224, 0.225], mirror: true}"
)
"""ImageNet's values, as most re-ID models have them."""


class ModelDescription(Options):
    """What an external model is to be given, and what is known of it.

    Attributes:
        height: pixels that crops are resized to.
        width: the same across.
        channels: their order.
        scale: what a pixel in 0..1 is multiplied by: 1, or 255 where the model takes 0..255.
        mean: of the channels, in the model's order, subtracted after the scale.
        std: of the channels, what is divided by then.
        mirror: whether the embedding is the mean over a crop and its mirror image.
        output: name of the output that is the embedding (in TorchScript, a dict's key or a tuple's place);
            None where there is one.
        batch: crops that the model takes at a time, where it takes one number alone and does not say so.
        trained_on: names of the data sets that it has learned from; None where nobody knows.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: Literal["rgb", "bgr"]
    scale: float = Field(gt=0)
    mean: list[float] = Field(min_length=3, max_length=3)
    std: list[float] = Field(min_length=3, max_length=3)
    mirror: bool
    output: str | None = None
    batch: int | None = Field(default=None, gt=0)
    trained_on: list[str] | None = None


def read_description(model: Path) -> ModelDescription:
    """Read the YAML beside a model, which has the model's stem.

    Raises:
        UserError: it is missing, no YAML, or a key is unknown, missing or wrong.
    """
    path = model.with_suffix(".yaml")
    values = read_yaml(path, f"no {path}, which says what {model.name} is given; for example: {EXAMPLE}")
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold keys and values, for example: {EXAMPLE}")
    description = parse_options(ModelDescription, values, str(path))
    if not all(value > 0 for value in description.std):
        raise UserError(f"{path}: parameter 'std': all must be greater than 0, got {description.std}")
    return description


def find_model(teacher: Path, suffixes: Sequence[str]) -> Path:
    """Return the model that a table's entry names: a file, or the one model in a folder.

    Raises:
        UserError: nothing is there, or a folder without or with several models.
    """
    if not teacher.is_dir():
        check_is_file(teacher, f"no model at {teacher}")
        return teacher
    models = models_in(teacher, suffixes)
    if len(models) != 1:
        found = f"{len(models)} ({', '.join(path.name for path in models)})" if models else "none"
        raise UserError(f"{teacher} must hold one model ({', '.join(suffixes)}), it holds {found}")
    return models[0]


def models_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the models in a folder, in the order of their names.

    Raises:
        UserError: there is a folder in it, which the teacher's hash would not cover.
    """
    files = sorted(folder.iterdir())
    if below := [path for path in files if path.is_dir()]:
        raise UserError(
            f"{below[0]} is a folder; a teacher's folder holds its model and files beside it alone"
        )
    return [path for path in files if path.suffix in suffixes]
