"""The work of `person-search annotate`."""

from collections.abc import Sequence
from pathlib import Path

from commands.errors import FailedCheckError
from commands.printing import print_line, say
from person_search.annotating.annotating import Annotated, AnnotateOptions, annotate_sources
from person_search.detectors.detector import PeopleDetector
from person_search.detectors.loading import load_detector
from person_search.sources.cameras import Cameras
from person_search.sources.moments import interval
from person_search.sources.times import zone_named
from pipeline.inference.own_pictures.printable import printable
from stages.support.running import ShownProgress

ALL = "all"
"""What `--every` says for every frame."""
TO_CHECK = ("layout", "person", "channels", "scale", "mean", "std", "boxes", "units", "scores")
"""The keys of a detector's YAML with which a wrong value leaves no person."""


def annotate_in(
    sources: Sequence[str],
    detector: Path,
    out: Path,
    *,
    score: float,
    unsure: float,
    every: str,
    distinct: float,
    tiles: int,
    camera: str | None,
    camera_from: str | None,
    time_format: str | None,
    timezone: str,
    workers: int | None,
) -> None:
    """Annotate sources, and say what was made and what could not be read; arguments are the command's.

    Raises:
        UserError: an option or the detector is no good, or there is nothing to annotate.
        FailedCheckError: nothing could be read; the folder is written all the same, and has no frame.
    """
    zone = zone_named(timezone)
    options = AnnotateOptions(
        score=score,
        unsure=unsure,
        every=None if every == ALL else interval(every),
        distinct=distinct,
        tiles=tiles,
        cameras=Cameras(camera, camera_from, time_format, zone),
        camera=camera,
        camera_from=camera_from,
        time_format=time_format,
        zone=zone,
        workers=workers,
    )
    with ShownProgress("annotate") as progress:
        loaded = load_detector(detector)
        done = annotate_sources(sources, out, loaded, options, say=say, progress=progress)
    boxes = f"{done.people:,} people and {done.unsure:,} boxes that are unsure"
    print_line(f"{printable(out)}: {done.frames:,} frames with {boxes}")
    if done.alike:
        print_line(f"{done.alike:,} frames left out that hardly differ from the one before")
    if done.gaps:
        print_line(f"{len(done.gaps):,} could not be read (whole):")
        for gap in done.gaps:
            print_line(f"  {gap}")
    if not done.frames:
        raise FailedCheckError(
            f"{printable(out)} has no frame, so nothing can be trained on it: nothing in what was given "
            "could be read; mend it, or give other pictures or videos"
        )
    if not done.people:
        say(_nobody(done, loaded, score))


def _nobody(done: Annotated, detector: PeopleDetector, score: float) -> str:
    """Return the warning that nobody was found, of which a wrong YAML is the usual cause."""
    model, *yaml = map(printable, detector.files)
    check = (
        f"{', '.join(f'`{key}`' for key in TO_CHECK)} in {yaml[0]}" if yaml else f"what {model} was made for"
    )
    frames = "the one frame" if done.frames == 1 else f"any of {done.frames:,} frames"
    return f"warning: there is no person in {frames}: check {check}, and --score {score:g}"
