"""Searching loose pictures for a person, without an index.

Pictures are turned upright as their EXIF data say; boxes are in pixels of the upright picture.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from person_search.hits import Hit
from person_search.networks.network import Floats, SearchNetwork
from person_search.sources.frames import source_text
from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.scenes.boxes import box_text, clip_boxes, outside
from pipeline.scenes.scene import FloatArray


def find_in_pictures(
    network: SearchNetwork,
    wanted: Floats,
    gallery: Sequence[Path],
    *,
    min_score: float,
    progress: Progress,
    passed_over: Callable[[str], None],
    remarked: Callable[[str], None],
) -> list[Hit]:
    """Rank all people who are detected in pictures by their similarity to the one looked for.

    Args:
        network: detects and embeds.
        wanted: `[D]` of unit length, the person looked for.
        gallery: pictures to search.
        min_score: detections below this score are left out.
        progress: progress over the gallery.
        passed_over: called with the reason for each picture that cannot be searched.
        remarked: called with each `OwnPicture.remark`.

    Returns:
        All hits, by falling similarity; hits of equal similarity keep the order of the gallery.
    """
    hits = list[Hit]()
    for done, path in enumerate(gallery, start=1):
        try:
            hits += _hits_in(network, wanted, path, min_score, remarked)
        except UserError as error:
            passed_over(str(error))
        progress(done, len(gallery))
    return sorted(hits, key=lambda hit: -hit.similarity)


def _hits_in(
    network: SearchNetwork, wanted: Floats, path: Path, min_score: float, remarked: Callable[[str], None]
) -> list[Hit]:
    picture = read_picture(path)
    if picture.remark:
        remarked(f"{printable(path)}: {picture.remark}")
    try:
        (found,) = network.detect([picture.pixels])
    except UserError as error:
        raise UserError(f"{printable(path)}: {error}") from None
    boxes = found.boxes.astype(np.float64) / picture.scale
    return [
        Hit(source_text(path), (x1, y1, x2, y2), float(score), float(similarity))
        for (x1, y1, x2, y2), score, similarity in zip(
            boxes.tolist(), found.scores, found.embeddings @ wanted, strict=True
        )
        if score >= min_score
    ]


def checked_box(box: FloatArray, size: tuple[int, int], path: Path) -> FloatArray:
    """Return a box `[4]` clipped to a picture of `size` (width, height).

    Raises:
        UserError: it is not finite, its corners are in the wrong order, or it lies outside; `path` is named.
    """
    text = f"--box {box_text(box)}"
    if not np.isfinite(box).all():
        raise UserError(f"{text}: give four numbers, x1,y1,x2,y2 in pixels")
    if (box[2:] <= box[:2]).any():
        raise UserError(f"{text}: x1,y1 is the upper left corner and x2,y2 the lower right: x1 < x2, y1 < y2")
    if outside(box[None], size)[0]:
        raise UserError(f"{text} lies outside {printable(path)}, which is {size[0]} x {size[1]} pixels")
    cut: FloatArray = clip_boxes(box[None], size)[0]
    return cut
