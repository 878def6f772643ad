"""The figures of searches in a report: queries evenly spaced, at random, and the best and the worst."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.metric_table import measured
from pipeline.reporting.cut_out import Picture
from pipeline.reporting.page import Section
from pipeline.reporting.ranking import query_results
from pipeline.reporting.search_figure import search_figure
from pipeline.reporting.shown_queries import at_random, evenly_spaced, most_gained, shown_queries
from pipeline.reporting.style import student_colour
from pipeline.scenes.prepared import PreparedDataSet

SPACED = "evenly spaced, not picked by result"


class Searches:
    """Figures of searches by two students: the first one, and the best of the others by search mAP.

    Gallery and score threshold are those of the first student's metrics.

    Args:
        data: the scenes.
        metrics: by student, the content of its `metrics.json`.
        detections: by student.

    Raises:
        UserError: there are no queries to draw.
    """

    def __init__(
        self,
        data: PreparedDataSet,
        metrics: Mapping[str, Mapping[str, Any]],
        detections: Mapping[str, Detections],
    ) -> None:
        first, *others = metrics
        others.sort(key=lambda student: -measured(metrics[student], "search_mAP"))
        self._students = [first, *others[:1]]
        self._colours = {student: student_colour(place) for place, student in enumerate(metrics)}
        protocol = metrics[first]["protocol"]
        self._gallery, self._threshold = protocol["gallery"], protocol["search_threshold"]
        self._split, self._images = data.split(protocol["split"]), data.images(protocol["split"])
        if not self._split.queries:
            raise UserError(f"the data set's {self._split.name} split has no queries to draw")
        self._detections = {student: detections[student] for student in self._students}
        self.spaced = evenly_spaced(len(self._split.queries))

    def draw(self, chosen: Sequence[int], choice: str) -> bytes:
        """Draw the searches of some queries. Returns a PNG."""
        queries = shown_queries(
            self._split, self._detections, self._gallery, search_threshold=self._threshold, chosen=chosen
        )
        return search_figure(
            queries,
            len(self._split.queries),
            self._gallery,
            self._picture,
            choice=choice,
            colours=self._colours,
        )

    def sections(self) -> list[Section]:
        """Return the page's sections: random queries, and the queries that gain and lose most."""
        random = self.draw(at_random(len(self._split.queries)), "drawn at random, not picked by result")
        parts = [Section("random", "Random queries", "Queries drawn at random.", [random])]
        if len(self._students) == 1:
            return parts
        before, after = (
            query_results(self._split, found, self._gallery, search_threshold=self._threshold)
            for found in self._detections.values()
        )
        gained, lost = most_gained([result.ap for result in before], [result.ap for result in after])
        students = f"from {self._students[0]} to {self._students[1]}"
        best = self.draw(gained, f"those whose average precision rises most {students}")
        worst = self.draw(lost, f"those whose average precision falls most {students}")
        said = "Picked by result: the queries whose average precision differs most between the two students."
        return [
            *parts,
            Section("best", f"Best: what rises most {students}", said, [best]),
            Section("worst", f"Worst: what falls most {students}", said, [worst]),
        ]

    def _picture(self, scene: int) -> Picture:
        with Image.open(BytesIO(self._images[scene].tobytes())) as image:
            return np.asarray(image.convert("RGB"))
