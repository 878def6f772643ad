"""`person-search index`: keep the people of many pictures and videos, to be searched."""

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from commands.places import GivenPath, check_weights
from person_search.extras import own
from pipeline.basics.errors import UserError

AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
OF_REMOVING = ("sources", "out", "cameras", "remove", "after", "before", "older_than")
"""The parameters that --remove looks at."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.argument("sources", nargs=-1, type=click.Path())  # texts: a `Path` has no `//` of an address
@click.option(
    "--out",
    type=GivenPath(path_type=Path),
    required=True,
    help="Folder of the index; made if it is not there.",
)
@click.option(
    "--weights",
    type=GivenPath(path_type=Path),
    help="A student (.safetensors), or a network of `person-search export` (.onnx).",
)
@click.option(
    "--every", help="Of videos and streams, take a frame each so often: 0.5s, 2s, 1m. All if left out."
)
@click.option("--camera", "cameras", multiple=True, help="Name of the camera of all sources.")
@click.option(
    "--camera-from", help="Regular expression on the path, with (?P<camera>...), (?P<time>...) or both."
)
@click.option("--time-format", help="How (?P<time>...) is written, as strptime takes it: %Y%m%d_%H%M%S.")
@click.option("--timezone", default="UTC", show_default=True, help="Of times that do not say theirs.")
@click.option(
    "--min-score",
    type=click.FloatRange(0.0, 1.0),
    default=0.3,
    show_default=True,
    help="People that are less sure are not kept; `find` can ask for more.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float16", "float32"]),
    default="float16",
    show_default=True,
    help="How embeddings are kept.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Pictures a commit."
)
@click.option(
    "--workers", type=click.IntRange(min=0), help="Processes that read pictures.  [default: by the cores]"
)
@click.option("--prune", is_flag=True, help="Forget files below SOURCES that are not there any more.")
@click.option(
    "--remove", is_flag=True, help="Remove people instead: by SOURCES, --camera, --before, --older-than."
)
@click.option("--after", type=click.DateTime(), help="With --remove: seen at or after this time, in UTC.")
@click.option("--before", type=click.DateTime(), help="With --remove: seen before this time, in UTC.")
@click.option("--older-than", help="With --remove: seen longer ago than this: 30d, 12h.")
def index(
    sources: tuple[str, ...],
    out: Path,
    weights: Path | None,
    every: str | None,
    cameras: tuple[str, ...],
    camera_from: str | None,
    time_format: str | None,
    timezone: str,
    min_score: float,
    dtype: str,
    batch_size: int,
    workers: int | None,
    prune: bool,
    remove: bool,
    after: datetime | None,
    before: datetime | None,
    older_than: str | None,
) -> None:
    """Detect and embed the people in SOURCES, and keep them in an index.

    SOURCES are pictures, videos, folders of them, a webcam (webcam:0), or addresses (rtsp://, http://).
    Pictures themselves are not kept. Files that have not changed are not read again, and a run that was
    stopped goes on where it was.
    """
    if remove:
        _refuse_options_of_indexing()
        limit = _limit(before, older_than)
        own("commands.indexing", "index").remove_people(
            out, sources, cameras, after and after.replace(tzinfo=UTC), limit
        )
        return
    if after or before or older_than:
        raise UserError("--after, --before and --older-than go with --remove")
    if not sources:
        raise UserError("name pictures, videos, folders or cameras to index")
    if math.isnan(min_score):
        raise UserError("--min-score nan: give a number from 0 to 1")
    if len(cameras) > 1:
        raise UserError(
            "--camera names the one camera of all sources; --camera-from tells several by their paths"
        )
    if weights is None:
        raise UserError("--weights FILE is needed to index")
    check_weights(weights)
    own("commands.indexing", "index").build(
        sources,
        out,
        weights,
        every=every,
        camera=cameras[0] if cameras else None,
        camera_from=camera_from,
        time_format=time_format,
        timezone=timezone,
        min_score=min_score,
        dtype=dtype,
        batch_size=batch_size,
        workers=workers,
        prune=prune,
    )


def _refuse_options_of_indexing() -> None:
    """Raise `UserError` where an option is given beside --remove that only indexing looks at."""
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in OF_REMOVING
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UserError(f"{', '.join(given)}: for indexing alone; leave it out with --remove")


def _limit(before: datetime | None, older_than: str | None) -> datetime | None:
    """Return before when people are removed, in UTC; None where no time is given."""
    if before and older_than:
        raise UserError("--before and --older-than: give one of them")
    if older_than is None:
        return before and before.replace(tzinfo=UTC)
    matched = AGE.fullmatch(older_than.strip())
    if matched is None:
        raise UserError(f"--older-than {older_than}: give a number and one of s, m, h, d, w, as in 30d")
    try:
        return datetime.now(UTC) - timedelta(**{UNITS[matched[2]]: float(matched[1])})
    except OverflowError:
        raise UserError(f"--older-than {older_than}: nothing is that old") from None
