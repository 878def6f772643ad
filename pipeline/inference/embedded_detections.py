"""Two-step search on boxes that are already found: a teacher of tables embeds a student's detections.

The boxes are the student's own, so that only the embeddings differ in the scores.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.scene_boxes import check_queries, detected_boxes
from pipeline.inference.people import PeopleInScene
from pipeline.inference.sharing import ALL
from pipeline.inference.students import Matrix, SceneResult, assemble, given_boxes
from pipeline.inference.teachers.projection import unit_rows
from pipeline.inference.teachers.teacher import Teacher
from pipeline.scenes.scene import UNLABELLED, FloatArray, Split
from pipeline.scenes.shards import ImageShards


def embedded_detections(
    teacher: Teacher,
    detections: Detections,
    split: Split,
    images: ImageShards,
    *,
    context_threshold: float,
    device: torch.device,
    progress: Progress,
) -> Detections:
    """Return a student's detections with a teacher's embeddings: of detections, queries and true boxes.

    Boxes and scores stay as they are. Scenes stand in the split's order, and detections of equal score keep
    theirs; what a query-guided student finds in pairs is left out.

    Args:
        teacher: sees boxes of any picture, which a file of features does not.
        detections: of the split, from any program.
        split: scenes and queries.
        images: their pictures.
        context_threshold: lowest score of the people around a query that are kept for CBGM.
        device: where the teacher runs.
        progress: progress, in scenes that have a box.

    Raises:
        UserError: the detections are of other scenes or queries, there is no box, or an embedding is zero or
            not finite.
    """
    check_queries(split, detections)
    found = _by_scene(split, detections)
    boxes = [
        np.concatenate([own[:, :4], given]) for own, given in zip(found, given_boxes(split), strict=True)
    ]
    embeddings = _embeddings(teacher, split, images, boxes, device, progress)
    results = [
        SceneResult(own, rows[: len(own)], rows[len(own) :])
        for own, rows in zip(found, embeddings, strict=True)
    ]
    return assemble(split, results, context_threshold)


def _by_scene(split: Split, detections: Detections) -> list[Matrix]:
    """Return the detections `[N, 5]` of each scene, by falling score."""
    found = detected_boxes(split, detections)
    scored = np.concatenate([found.boxes, found.scores[:, None]], axis=1)
    by_scene = np.split(scored, found.offsets[1:-1])
    return [own[np.argsort(-own[:, 4], kind="stable")] for own in by_scene]


def _embeddings(
    teacher: Teacher,
    split: Split,
    images: ImageShards,
    boxes: Sequence[FloatArray],
    device: torch.device,
    progress: Progress,
) -> list[Matrix]:
    """Return the unit embeddings `[K, D]` of the boxes `[K, 4]` of each scene."""
    people = [
        PeopleInScene(scene, np.arange(len(own)), own, np.full(len(own), UNLABELLED))
        for scene, own in enumerate(boxes)
        if len(own)
    ]
    if not people:
        raise UserError(f"there is nobody to embed: no box in the {split.name} split, and none detected")
    found = teacher.embeddings(split, images, people, device, progress, ALL)
    rows = unit_rows(np.concatenate([embeddings for _, embeddings in found]))
    return np.split(rows, np.cumsum([len(own) for own in boxes])[:-1])
