"""The measured milliseconds an image, as `make bench` wrote them.

They are in no output of the pipeline: they differ from run to run, and results must not.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, parse_options
from pipeline.reporting.summary import TEACHERS, Figures


class Timing(Options):
    """One network's median, and what it was measured on, to tell whether it is still the same network."""

    milliseconds: float = Field(gt=0)
    parameters: float = Field(ge=0)


class Speed(Options):
    """What `speed.json` holds.

    Attributes:
        machine: processor, threads and versions, to read.
        timings: by line of the table.
    """

    machine: str
    timings: dict[str, Timing]


def write_speed(path: Path, speed: Speed) -> None:
    """Write `speed.json`."""
    write_atomically(path, json.dumps(speed.model_dump(mode="json"), indent=2) + "\n")


def read_milliseconds(path: Path, summary: Mapping[str, Figures]) -> tuple[dict[str, float], str]:
    """Return the milliseconds an image by line of the table, and the machine; nothing where there is no file.

    A timing of another network than the summary's, by its number of parameters, is left out.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}, ""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        raise UserError(f"{path} is damaged; make it again with `make bench`") from None
    speed = parse_options(Speed, content, str(path))
    teachers = summary.get(TEACHERS, {})
    parameters = {
        "det. teacher": teachers.get("detector_parameters"),
        "both teachers": teachers.get("two_step_parameters"),
        **{name: figures.get("parameters") for name, figures in summary.items() if name != TEACHERS},
    }
    timings = {
        name: timing.milliseconds
        for name, timing in speed.timings.items()
        if parameters.get(name) == timing.parameters
    }
    return timings, speed.machine if timings else ""
