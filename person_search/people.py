"""The people found in one picture, and the forms in which other programs take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from person_search.extras import needed
from person_search.networks.network import Floats

if TYPE_CHECKING:
    import pandas
    import supervision

PERSON = 1
"""The category of people in COCO's files."""
BOX = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class People:
    """The people found in one picture.

    Attributes:
        source: the picture, as text.
        size: its width and height in pixels.
        boxes: `[N, 4]` x1 y1 x2 y2, in pixels of the upright picture.
        scores: `[N]` 0..1, falling.
        embeddings: `[N, D]` of unit length: the dot product of two is their cosine similarity.
    """

    source: str
    size: tuple[int, int]
    boxes: Floats
    scores: Floats
    embeddings: Floats

    def __len__(self) -> int:
        """Return how many people were found."""
        return len(self.scores)

    def above(self, score: float) -> "People":
        """Return those with at least this score."""
        kept = self.scores >= score
        return People(self.source, self.size, self.boxes[kept], self.scores[kept], self.embeddings[kept])

    def to_supervision(self) -> "supervision.Detections":
        """Return them as detections of Roboflow's supervision, all of class 0; `data` has the embeddings.

        Raises:
            UserError: the package is not installed.
        """
        module = needed("supervision", "pip install supervision")
        detections: supervision.Detections = module.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=np.zeros(len(self), dtype=int),
            data={"embedding": self.embeddings.copy()},
        )
        return detections

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a table with a line a person: source, x1, y1, x2, y2, score, embedding.

        Raises:
            UserError: the package is not installed.
        """
        module = needed("pandas", "pip install pandas")
        columns = {
            "source": [self.source] * len(self),
            **{name: self.boxes[:, place] for place, name in enumerate(BOX)},
            "score": self.scores,
            "embedding": list(self.embeddings),
        }
        table: pandas.DataFrame = module.DataFrame(columns)
        return table


def to_coco(pictures: Sequence[People]) -> dict[str, Any]:
    """Return the people of several pictures as the content of a COCO file, plain values for JSON.

    Returns:
        `images`, `annotations` (`bbox` is x, y, width, height; `score` and `embedding` are beside what COCO
        names) and `categories`, of which there is one. Ids count from 1.
    """
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, found in enumerate(pictures, start=1):
        width, height = found.size
        images.append({"id": number, "file_name": found.source, "width": width, "height": height})
        for box, score, embedding in zip(found.boxes, found.scores, found.embeddings, strict=True):
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": PERSON,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "score": float(score),
                    "embedding": embedding.tolist(),
                }
            )
    categories = [{"id": PERSON, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}
