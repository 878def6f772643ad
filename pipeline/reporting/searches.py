"""The pictures of searches in a report: some evenly spaced, some at random, the best and the worst."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from pipeline.basics.errors import UserError
from pipeline.evaluation.detections import Detections
from pipeline.reporting.cut_out import Picture
from pipeline.reporting.page import Section
from pipeline.reporting.ranking import query_results
from pipeline.reporting.search_figure import search_figure
from pipeline.reporting.shown_queries import at_random, evenly_spaced, most_gained, shown_queries
from pipeline.reporting.style import row_colour
from pipeline.scenes.prepared import PreparedDataSet

SPACED = "evenly spaced, not picked by result"


class Searches:
    """Pictures of searches by the first row and the one with the highest search mAP of the others.

    They search the gallery, and at the threshold, of the first row's metrics.

    Args:
        data: the scenes.
        metrics: what `metrics.json` holds, by row.
        detections: by row.

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
        self._rows = [first, *sorted(others, key=lambda row: -metrics[row]["search"]["mAP"])[:1]]
        self._colours = {row: row_colour(place) for place, row in enumerate(metrics)}
        protocol = metrics[first]["protocol"]
        self._gallery, self._threshold = protocol["gallery"], protocol["search_threshold"]
        self._split, self._images = data.split(protocol["split"]), data.images(protocol["split"])
        if not self._split.queries:
            raise UserError(f"the data set's {self._split.name} split has no queries to draw")
        self._detections = {row: detections[row] for row in self._rows}
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
        """Return the page's sections of random queries, and of those that gained and lost most."""
        random = self.draw(at_random(len(self._split.queries)), "drawn at random, not picked by result")
        parts = [Section("random", "Random queries", "Queries drawn at random.", [random])]
        if len(self._rows) == 1:
            return parts
        before, after = (
            query_results(self._split, found, self._gallery, search_threshold=self._threshold)
            for found in self._detections.values()
        )
        gained, lost = most_gained([result.ap for result in before], [result.ap for result in after])
        rows = f"from {self._rows[0]} to {self._rows[1]}"
        best = self.draw(gained, f"those whose average precision rises most {rows}")
        worst = self.draw(lost, f"those whose average precision falls most {rows}")
        said = "Average precision of each query in one row beside the other; picked by result."
        return [
            *parts,
            Section("best", f"Best: what rises most {rows}", said, [best]),
            Section("worst", f"Worst: what falls most {rows}", said, [worst]),
        ]

    def _picture(self, scene: int) -> Picture:
        with Image.open(BytesIO(self._images[scene].tobytes())) as image:
            return np.asarray(image.convert("RGB"))
