"""CUHK-SYSU's search protocols, one a file (`TestG<N>`, `Occlusion`, `Resolution`): queries and galleries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.galleries import GalleriesBuilder
from pipeline.datasets.matlab import field, numbers, structs, text
from pipeline.datasets.matlab_stream import stream_structs
from pipeline.scenes.scene import FloatArray, Galleries

BOX_NUMBERS = 4


@dataclass(frozen=True)
class Protocol:
    """One file's queries and galleries.

    Attributes:
        people: `[Q]` the data set's own id of each query's person.
        scenes: `[Q]` index of each query's own scene.
        boxes: `[Q, 4]` each query's box, x y w h.
        galleries: where each query is searched for; positives have `[P, 4]` boxes x1 y1 x2 y2.
    """

    people: list[str]
    scenes: list[int]
    boxes: FloatArray
    galleries: Galleries

    def full(self) -> Galleries:
        """Return the galleries with all other scenes added behind the listed ones (SeqNet's full set)."""
        return replace(self.galleries, rest="all")


@dataclass
class _Counts:
    """Counts over a whole file, for its notes.

    Attributes:
        sizeless: boxes of galleries without width or height.
        own: galleries that list the query's own scene.
        repeated: galleries that list a scene more than once.
    """

    sizeless: int = 0
    own: int = 0
    repeated: int = 0


def box_of(element: Any, where: str) -> FloatArray | None:
    """Return a struct element's box, `[4]` x y w h, from its field `idlocate`; None where that is empty.

    Raises:
        UserError: the field holds another number of values, or values that are not finite.
    """
    box = numbers(field(element, "idlocate"))
    if not box.size:
        return None
    if box.size != BOX_NUMBERS or not np.isfinite(box).all():
        raise UserError(
            f"{where}: idlocate should be x y w h, found {' '.join(f'{value:g}' for value in box)}"
        )
    return box


def read_protocol(path: Path, variable: str, scene_index: Mapping[str, int], findings: Findings) -> Protocol:
    """Read one protocol file query by query, since the largest one holds 11.6 million gallery entries.

    As SeqNet counts: a scene that a gallery lists twice is kept twice, each entry with its own box, and a
    listed scene of the query's own is kept. A broken query is left out and added to the problems.

    Args:
        path: the file.
        variable: the variable that holds the queries.
        scene_index: index of every test scene by name.
        findings: where problems and notes go.
    """
    people: list[str] = []
    scenes: list[int] = []
    boxes: list[FloatArray] = []
    builder = GalleriesBuilder("none")
    counts, unknown = _Counts(), set[str]()
    for number, element in enumerate(stream_structs(path, variable), start=1):
        where = f"{path.name}: query {number}"
        try:
            query = _first(element, "Query", where)
            name, box = text(field(query, "imname")), box_of(query, where)
            if box is None or (box[2:] <= 0).any():
                raise UserError(f"{where}: the query has no box, or one without width or height")
            if name not in scene_index:
                raise UserError(f"{where}: its scene '{name}' is not among the test images (pool.mat)")
            gallery = list(_entries(element, where))
            listed, positions, held = _resolve(gallery, scene_index, unknown, counts)
            person = text(field(query, "idname")) or f"query {number}"
        except UserError as error:
            message = str(error)
            findings.problems.append(message if message.startswith(where) else f"{where}: {message}")
            continue
        counts.own += scene_index[name] in listed
        counts.repeated += len(listed) != len(set(listed))
        people.append(person)
        scenes.append(scene_index[name])
        boxes.append(box)
        builder.add(listed, positions, held)
    findings.problems += [
        f"{path.name} lists {name}, not among the test images (pool.mat)" for name in sorted(unknown)
    ]
    findings.note_count(counts.sizeless, f"boxes without width or height in {path.name}'s galleries left out")
    findings.note_count(counts.repeated, f"of {path.name}'s galleries list a scene more than once")
    findings.note_count(counts.own, f"of {path.name}'s galleries list the query's own scene")
    return Protocol(people, scenes, np.array(boxes).reshape(-1, BOX_NUMBERS), builder.build())


def _first(element: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in element:
        raise UserError(f"{where}: no field {name}, only {', '.join(element)}")
    for first in structs(element[name]):
        return first
    raise UserError(f"{where}: {name} is empty")


def _entries(element: Mapping[str, Any], where: str) -> Iterator[tuple[str, FloatArray | None]]:
    if "Gallery" not in element:
        raise UserError(f"{where}: no field Gallery, only {', '.join(element)}")
    for entry in structs(element["Gallery"]):
        yield text(field(entry, "imname")), box_of(entry, where)


def _resolve(
    gallery: list[tuple[str, FloatArray | None]],
    scene_index: Mapping[str, int],
    unknown: set[str],
    counts: _Counts,
) -> tuple[list[int], list[int], list[FloatArray]]:
    """Return a gallery's scenes, the positions in it that hold the person, and the boxes there (x1 y1 x2 y2).

    An entry with a box holds the person; an entry without one is a distractor.
    """
    listed: list[int] = []
    positions: list[int] = []
    held: list[FloatArray] = []
    for name, box in gallery:
        if name not in scene_index:
            unknown.add(name)
            continue
        if box is not None and (box[2:] <= 0).any():
            counts.sizeless += 1
            box = None  # noqa: PLW2901
        if box is not None:
            positions.append(len(listed))
            held.append(np.concatenate([box[:2], box[:2] + box[2:]]))
        listed.append(scene_index[name])
    return listed, positions, held
