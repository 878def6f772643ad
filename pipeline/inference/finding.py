"""Searching a user's own pictures for a person in one of them, with a trained student.

Pictures are turned upright as their EXIF data say; boxes are in pixels of the upright picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import OwnPicture, read_picture
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.boxes import box_text, clip_boxes, outside
from pipeline.scenes.scene import FloatArray

"""Called with the number of pictures done and the number of all pictures."""


@dataclass(frozen=True)
class Hit:
    """One detected person.

    Attributes:
        path: the picture.
        box: `[4]` x1 y1 x2 y2, pixels.
        score: the detection score, 0..1.
        similarity: cosine similarity to the query, -1..1.
    """

    path: Path
    box: FloatArray
    score: float
    similarity: float


def find_person(
    network: PersonSearchNetwork,
    query: Path,
    box: FloatArray,
    gallery: Sequence[Path],
    *,
    score_threshold: float,
    device: torch.device,
    progress: Progress,
    passed_over: Callable[[str], None],
    remarked: Callable[[str], None],
) -> list[Hit]:
    """Rank all people who are detected in the gallery by their similarity to the query.

    Args:
        network: the student, in evaluation mode.
        query: the picture that shows the person to search for.
        box: `[4]` x1 y1 x2 y2 of that person, pixels; it is clipped to the picture.
        gallery: pictures to search.
        score_threshold: detections below this score are left out.
        device: where the network runs.
        progress: progress over the gallery.
        passed_over: called with the reason for each gallery picture that cannot be searched.
        remarked: called with each `OwnPicture.remark`.

    Returns:
        All hits, by falling similarity; hits of equal similarity keep the order of the gallery.

    Raises:
        UserError: the query cannot be read, or the box has no area within it.
    """
    network = network.to(device)
    shown = read_picture(query)
    _remark(query, shown, remarked)
    wanted = _embed(network, query, shown, box)
    hits = []
    for done, path in enumerate(gallery, start=1):
        try:
            picture = read_picture(path)
            tensor = _tensor_of(path, picture, network)
        except UserError as error:
            passed_over(str(error))
        else:
            _remark(path, picture, remarked)
            found = network.search([tensor], [_no_boxes(network)])[0][0]
            similarities = (found["embeddings"] @ wanted).cpu()
            boxes = found["boxes"].cpu().numpy().astype(np.float64) / picture.scale
            hits += [
                Hit(path, where, float(score), float(similarity))
                for where, score, similarity in zip(boxes, found["scores"].cpu(), similarities, strict=True)
                if float(score) >= score_threshold
            ]
        progress(done, len(gallery))
    return sorted(hits, key=lambda hit: -hit.similarity)


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


def _embed(network: PersonSearchNetwork, query: Path, picture: OwnPicture, box: FloatArray) -> Tensor:
    """Return the embedding `[D]` of the query."""
    cut = checked_box(box, picture.size, query) * picture.scale
    given = torch.from_numpy(cut[None]).to(_no_boxes(network))
    return network.search([_tensor_of(query, picture, network)], [given])[1][0][0]


def _tensor_of(path: Path, picture: OwnPicture, network: PersonSearchNetwork) -> Tensor:
    """Return a picture as float `[3, h, w]` in 0..1, on the network's device.

    Raises:
        UserError: resized for the network, one side would be shorter than a pixel.
    """
    width, height = picture.size
    if min(height, width) * network.options.long_side < max(height, width):
        raise UserError(f"{printable(path)} is too narrow to look for people in: {width} x {height} pixels")
    pixels = torch.from_numpy(picture.pixels).to(_no_boxes(network).device)
    return pixels.permute(2, 0, 1).float().div_(255)


def _no_boxes(network: PersonSearchNetwork) -> Tensor:
    """Return an empty list of boxes, `[0, 4]`, on the network's device."""
    return torch.zeros(0, 4, device=next(network.parameters()).device)


def _remark(path: Path, picture: OwnPicture, remarked: Callable[[str], None]) -> None:
    if picture.remark:
        remarked(f"{printable(path)}: {picture.remark}")
