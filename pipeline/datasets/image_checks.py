"""Checks of the picture files of a data set: that they exist, decode, and hold their boxes."""

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, Inspection, scene_problems
from pipeline.datasets.jpeg import UPRIGHT, jpeg_header, read_jpeg
from pipeline.scenes.boxes import clip_boxes, outside


def check_images(inspection: Inspection, findings: Findings, *, decode: bool) -> None:
    """Add to `findings` every picture that is missing, broken, or does not hold its boxes.

    Args:
        inspection: the data set; nothing is checked where its pictures are not files.
        findings: where problems and notes go.
        decode: decode every picture, instead of reading its header only.
    """
    folder = inspection.images
    if folder is None:
        return
    if not folder.is_dir():
        findings.problems.append(f"{folder} is missing: no picture is there")
        return
    seen: set[str] = set()
    known = set(findings.problems)
    reaching_over = turned = 0
    for split in inspection.splits.values():
        for scene in split.scenes:
            if scene.name in seen:
                continue
            seen.add(scene.name)
            path = folder / scene.name
            try:
                size, orientation = jpeg_header(path)
                turned += orientation != UPRIGHT
                if decode:
                    read_jpeg(path)
                problems = scene_problems(scene, len(split.identities), size)
                over = (clip_boxes(scene.boxes, size) != scene.boxes).any(axis=1)
                reaching_over += int((over & ~outside(scene.boxes, size)).sum())
            except UserError as error:
                problems = [str(error)]
            findings.problems += [problem for problem in problems if problem not in known]
    findings.note_count(reaching_over, "boxes reach over their image's edge")
    findings.note_count(
        turned,
        "pictures have an EXIF orientation: boxes are taken in pixels of the pictures as stored, "
        "which are not turned upright",
    )
