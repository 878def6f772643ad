"""CUHK-SYSU's search protocols, one a file (`TestG<N>`, `Occlusion`, `Resolution`): queries and galleries."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.datasets.checks import Findings
from pipeline.datasets.cuhk_gallery import BOX_NUMBERS, box_of, read_gallery
from pipeline.datasets.galleries import GalleriesBuilder
from pipeline.datasets.matlab import field, structs, text
from pipeline.datasets.matlab_stream import damage_named, stream_structs
from pipeline.datasets.scene_index import SceneIndex
from pipeline.scenes.scene import FloatArray, Galleries


@dataclass(frozen=True)
class Protocol:
    """One file's queries and galleries.

    Attributes:
        people: `[Q]` the data set's own id of each query's person.
        scenes: `[Q]` index of each query's own scene.
        boxes: `[Q, 4]` each query's box, x y w h.
        galleries: the scenes in which each query is searched for, and the `[P, 4]` boxes x1 y1 x2 y2 of its
            person in them.
    """

    people: list[str]
    scenes: list[int]
    boxes: FloatArray
    galleries: Galleries

    def full(self) -> Galleries:
        """Return the galleries with all other scenes added behind the listed ones (SeqNet's full set)."""
        return replace(self.galleries, rest="all")


def read_protocol(
    path: Path, variable: str, index: SceneIndex, findings: Findings, progress: Progress | None = None
) -> Protocol:
    """Read one protocol file query by query, since the largest one holds 11.6 million gallery entries.

    As SeqNet counts: a scene that a gallery lists twice is kept twice, each entry with its own box, and a
    listed scene of the query's own is kept. A broken query is left out and added to the problems.

    Args:
        path: the file.
        variable: the variable that holds the queries.
        index: the test scenes.
        findings: where problems and notes go.
        progress: called with the bytes read, and with all bytes of the file.

    Raises:
        UserError: the file is missing or damaged, or lacks the variable.
    """
    reader = _Reader(path.name, index, findings)
    with damage_named(path):
        elements = stream_structs(path, variable, undecoded=("Gallery",), progress=progress)
        for number, element in enumerate(elements, start=1):
            where = f"{path.name}: query {number}"
            try:
                reader.add(element, where, default=f"query {number}")
            except UserError as error:
                message = str(error)
                findings.problems.append(message if message.startswith(where) else f"{where}: {message}")
    return reader.protocol()


class _Reader:
    """A protocol in the making, with counts over the whole file for its notes."""

    def __init__(self, file: str, index: SceneIndex, findings: Findings) -> None:
        self._file, self._index, self._findings = file, index, findings
        self._people = list[str]()
        self._scenes = list[int]()
        self._boxes = list[FloatArray]()
        self._galleries = GalleriesBuilder("none")
        self._unknown = set[str]()
        self._sizeless = self._own = self._repeated = 0

    def add(self, element: Mapping[str, Any], where: str, default: str) -> None:
        """Add a query; `default` is its person's id if it has none. Raises `UserError` for a broken one."""
        query = _first(element, "Query", where)
        name, box = text(field(query, "imname")), box_of(query, where)
        if box is None or (box[2:] <= 0).any():
            raise UserError(f"{where}: the query has no box, or one without width or height")
        if name not in self._index:
            raise UserError(f"{where}: its scene '{name}' is not among the test images (pool.mat)")
        scene, gallery = self._index[name], read_gallery(element, where, self._index)
        self._unknown |= gallery.unknown
        self._sizeless += gallery.sizeless
        person = text(field(query, "idname")) or default
        self._own += bool((gallery.scenes == scene).any())
        self._repeated += len(gallery.scenes) != len(np.unique(gallery.scenes))
        self._people.append(person)
        self._scenes.append(scene)
        self._boxes.append(box)
        self._galleries.add(gallery.scenes, gallery.positives, gallery.boxes)

    def protocol(self) -> Protocol:
        """Return all queries added, and put what was counted into the findings."""
        findings, file = self._findings, self._file
        findings.problems += [
            f"{file} lists {name}, not among the test images (pool.mat)" for name in sorted(self._unknown)
        ]
        findings.note_count(self._sizeless, f"boxes without width or height in {file}'s galleries left out")
        findings.note_count(self._repeated, f"of {file}'s galleries list a scene more than once")
        findings.note_count(self._own, f"of {file}'s galleries list the query's own scene")
        boxes = np.array(self._boxes).reshape(-1, BOX_NUMBERS)
        return Protocol(self._people, self._scenes, boxes, self._galleries.build())


def _first(element: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in element:
        raise UserError(f"{where}: no field {name}, only {', '.join(element)}")
    for first in structs(element[name]):
        return first
    raise UserError(f"{where}: {name} is empty")
