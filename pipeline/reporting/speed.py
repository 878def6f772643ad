"""The measured milliseconds of an image, as `make bench` wrote them.

They are in no output of the pipeline: they differ from run to run, which results must not.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from pipeline.basics.json_files import read_json, write_json
from pipeline.basics.options import Options, parse_options
from pipeline.reporting.summary import BOTH_LINE, DETECTOR_LINE, TEACHERS, Values


class Timing(Options):
    """A network's median time, and its number of parameters: another number means another network."""

    milliseconds: float = Field(gt=0)
    parameters: float = Field(ge=0)


class Speed(Options):
    """What `speed.json` holds.

    Attributes:
        machine: processor, threads and versions, for people to read.
        timings: by line of the table.
    """

    machine: str
    timings: dict[str, Timing]


def write_speed(path: Path, speed: Speed) -> None:
    """Write `speed.json`."""
    write_json(path, speed.model_dump(mode="json"))


def read_milliseconds(path: Path, summary: Mapping[str, Values]) -> tuple[dict[str, float], str]:
    """Return the milliseconds of an image by line of the table, and the machine.

    Both are empty where there is no file. A timing is left out where its number of parameters differs from
    the summary's, because then it is of another network.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}, ""
    content = read_json(path, absent=f"{path} is missing", again="make it again with `make bench`")
    speed = parse_options(Speed, content, str(path))
    teachers = summary.get(TEACHERS, {})
    parameters = {
        DETECTOR_LINE: teachers.get("detector_parameters"),
        BOTH_LINE: teachers.get("two_step_parameters"),
        **{name: values.get("parameters") for name, values in summary.items() if name != TEACHERS},
    }
    timings = {
        name: timing.milliseconds
        for name, timing in speed.timings.items()
        if parameters.get(name) == timing.parameters
    }
    return timings, speed.machine if timings else ""
