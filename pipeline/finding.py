"""Looking for a person of one's own picture in one's own pictures, with a trained student.

Pictures are turned upright as their EXIF data say; boxes are in pixels of the upright picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.data.checks import box_text, clip_boxes, outside
from pipeline.data.scenes.scene import FloatArray
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.training.devices import make_fabric

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
Picture = npt.NDArray[np.uint8]
Report = Callable[[int, int], None]
"""Called with how many pictures are done and how many there are."""
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on a file that is no picture, damaged or cut off."""


@dataclass(frozen=True)
class Hit:
    """One person found.

    Attributes:
        path: the picture.
        box: `[4]` x1 y1 x2 y2, pixels.
        score: how sure the detector is that it is a person, 0..1.
        similarity: cosine similarity to the person looked for, -1..1.
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
    report: Report,
    passed_over: Callable[[str], None],
) -> list[Hit]:
    """Rank everybody who is detected in the gallery by similarity to one person.

    Args:
        network: the student, in evaluation mode.
        query: the picture that shows the person.
        box: `[4]` x1 y1 x2 y2 of the person there, pixels; what reaches over the edge is cut off.
        gallery: pictures to look in.
        score_threshold: detections below this score are left out.
        report: progress over the gallery.
        passed_over: called with what is wrong with a picture of the gallery that cannot be read.

    Returns:
        All hits, by falling similarity; equal ones in the order of the gallery.

    Raises:
        UserError: the query cannot be read, or the box has no area within it.
    """
    network = network.to(make_fabric().device)
    wanted = _embed(network, query, box)
    hits = []
    for done, path in enumerate(gallery, start=1):
        try:
            picture = _tensor_of(path, network)
        except UserError as error:
            passed_over(str(error))
            continue
        found = network.search([picture], [_no_boxes(network)])[0][0]
        similarities = (found["embeddings"] @ wanted).cpu()
        rows = zip(found["boxes"].cpu(), found["scores"].cpu(), similarities, strict=True)
        hits += [
            Hit(path, np.asarray(where, dtype=np.float64), float(score), float(similarity))
            for where, score, similarity in rows
            if float(score) >= score_threshold
        ]
        report(done, len(gallery))
    return sorted(hits, key=lambda hit: -hit.similarity)


def read_picture(path: Path) -> Picture:
    """Return an upright picture, `[H, W, 3]` RGB. Raises `UserError` where it cannot be read."""
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except BROKEN as error:
        raise _unreadable(path, error) from None


def pictures_in(places: Sequence[Path], query: Path) -> list[Path]:
    """Return the pictures to look in: files as given, folders with all below them in order of their names.

    The query's own picture is left out, since the person is surely there; one that is named twice is there
    once. A file that is given is looked into, so that one that is no picture shows before a long search.

    Raises:
        UserError: a place is missing or no picture, a folder holds none, or nothing but the query is there.
    """
    found: dict[Path, Path] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place} does not exist")
        if not place.is_dir():
            _check_header(place)
        for path in _pictures_below(place) if place.is_dir() else [place]:
            if not _same_file(path, query):
                found.setdefault(path.resolve(), path)
    if not found:
        raise UserError("there is nothing to look in but the query's own picture; give further pictures")
    return list(found.values())


def checked_box(box: FloatArray, size: tuple[int, int], path: Path) -> FloatArray:
    """Return a box `[4]` cut to a picture of `size` (width, height).

    Raises:
        UserError: it is not finite, its corners are in the wrong order, or it lies outside.
    """
    text = f"--box {box_text(box)}"
    if not np.isfinite(box).all():
        raise UserError(f"{text}: give four numbers, x1,y1,x2,y2 in pixels")
    if (box[2:] <= box[:2]).any():
        raise UserError(f"{text}: x1,y1 is the upper left corner and x2,y2 the lower right: x1 < x2, y1 < y2")
    if outside(box[None], size)[0]:
        raise UserError(f"{text} lies outside {path}, which is {size[0]} x {size[1]} pixels")
    cut: FloatArray = clip_boxes(box[None], size)[0]
    return cut


def _embed(network: PersonSearchNetwork, query: Path, box: FloatArray) -> Tensor:
    """Return the embedding `[D]` of the person looked for."""
    picture = _tensor_of(query, network)
    cut = checked_box(box, (picture.shape[2], picture.shape[1]), query)
    given = torch.from_numpy(cut[None]).to(_no_boxes(network))
    return network.search([picture], [given])[1][0][0]


def _tensor_of(path: Path, network: PersonSearchNetwork) -> Tensor:
    """Return a picture as float `[3, H, W]` in 0..1 where the network is.

    Raises:
        UserError: it cannot be read, or nothing is left of one side in the network's size.
    """
    picture = read_picture(path)
    height, width = picture.shape[:2]
    if min(height, width) * network.options.long_side < max(height, width):
        raise UserError(f"{path} is too narrow to look for people in: {width} x {height} pixels")
    return torch.from_numpy(picture).to(_no_boxes(network).device).permute(2, 0, 1).float() / 255


def _no_boxes(network: PersonSearchNetwork) -> Tensor:
    return torch.zeros(0, 4, device=next(network.parameters()).device)


def _pictures_below(folder: Path) -> list[Path]:
    found = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )
    if not found:
        raise UserError(f"{folder} holds no picture ({', '.join(PICTURE_SUFFIXES)})")
    return found


def _same_file(path: Path, query: Path) -> bool:
    return query.exists() and path.exists() and path.samefile(query)


def _check_header(path: Path) -> None:
    try:
        with Image.open(path):
            pass
    except BROKEN as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist")
    return UserError(f"{path} is no picture that can be read (or it is damaged)")
