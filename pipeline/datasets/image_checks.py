"""Checks of the picture files of a data set: that they exist, decode, and hold their boxes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.checks import Findings, Inspection, scene_problems
from pipeline.datasets.jpeg import UPRIGHT, jpeg_header, read_jpeg
from pipeline.datasets.processes import in_processes
from pipeline.scenes.boxes import clip_boxes, outside
from pipeline.scenes.scene import Scene

PICTURES_AT_ONCE = 16
"""How many a process takes at a time: a header takes less time than to hand a picture over."""


class _Look(NamedTuple):
    """What a look at a picture shows: problems, boxes that reach over its edge, and whether it is turned."""

    problems: Sequence[str]
    reaching_over: int = 0
    turned: bool = False


def check_images(
    inspection: Inspection, findings: Findings, *, decode: bool, progress: Progress | None = None
) -> None:
    """Add to `findings` every picture that is missing, broken, or does not hold its boxes.

    Args:
        inspection: the data set; nothing is checked where its pictures are not files.
        findings: where problems and notes go.
        decode: decode every picture, instead of reading its header only.
        progress: progress over all pictures; None for a check in silence.
    """
    folder = inspection.images
    if folder is None:
        return
    if not folder.is_dir():
        findings.problems.append(f"{folder} is missing: no picture is there")
        return
    # Splits share scenes; a picture is looked at once.
    scenes: dict[str, tuple[Scene, int]] = {}
    for split in inspection.splits.values():
        for scene in split.scenes:
            scenes.setdefault(scene.name, (scene, len(split.identities)))
    known = set(findings.problems)
    reaching_over = turned = 0
    look_at = partial(_look, folder, list(scenes.values()), decode)
    looks = in_processes(look_at, range(len(scenes)), at_once=PICTURES_AT_ONCE)
    for done, look in enumerate(looks, start=1):
        findings.problems += [problem for problem in look.problems if problem not in known]
        reaching_over += look.reaching_over
        turned += look.turned
        if progress is not None:
            progress(done, len(scenes))
    findings.note_count(reaching_over, "boxes reach over their image's edge")
    findings.note_count(
        turned,
        "pictures have an EXIF orientation: boxes are taken in pixels of the pictures as stored, "
        "which are not turned upright",
    )


def _look(folder: Path, scenes: Sequence[tuple[Scene, int]], decode: bool, index: int) -> _Look:
    """Look at the picture of one scene; with each scene stands how many identities its split has."""
    scene, identities = scenes[index]
    path, turned = folder / scene.name, False
    try:
        size, orientation = jpeg_header(path)
        turned = orientation != UPRIGHT
        if decode:
            read_jpeg(path)
    except UserError as error:
        return _Look([str(error)], turned=turned)
    over = (clip_boxes(scene.boxes, size) != scene.boxes).any(axis=1) & ~outside(scene.boxes, size)
    return _Look(scene_problems(scene, identities, size), int(over.sum()), turned)
