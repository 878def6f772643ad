"""What a teacher reaches on people at their true boxes, before anybody learns from it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from pipeline.basics.progress import Progress
from pipeline.evaluation.true_boxes import TrueBoxScores, true_box_scores
from pipeline.inference.people import all_people, labelled_people, person_ids_of
from pipeline.inference.sharing import ALL
from pipeline.inference.teachers.projection import Matrix, unit_rows
from pipeline.inference.teachers.teacher import Teacher
from pipeline.scenes.prepared import PreparedDataSet
from pipeline.scenes.scene import IntArray, Split


class EmbeddedBoxes(NamedTuple):
    """All true boxes of a split.

    Attributes:
        rows: `[N, D]` their embeddings, of unit length.
        person_ids: `[N]`, `0 .. I-1` or `UNLABELLED`.
        scenes: `[N]` the scene that each is in.
        cameras: `[N]` that scene's camera.
        queries: `[Q]` which of them are the split's own queries.
    """

    rows: Matrix
    person_ids: IntArray
    scenes: IntArray
    cameras: IntArray
    queries: IntArray


def embedded_boxes(
    teacher: Teacher, data: PreparedDataSet, split: Split, device: torch.device, progress: Progress
) -> EmbeddedBoxes:
    """Let a teacher embed all true boxes of a split.

    Raises:
        UserError: nobody is labelled, or the teacher cannot embed them.
    """
    labelled_people(split)
    people = all_people(split)
    found = teacher.embeddings(split, data.images(split.name), people, device, progress, ALL)
    rows = unit_rows(np.concatenate([embeddings for _, embeddings in found]))
    scenes = np.repeat([found.scene for found in people], [len(found.places) for found in people])
    person_ids = person_ids_of(people)
    queries = [
        np.flatnonzero((scenes == query.scene) & (person_ids == query.person_id))[:1]
        for query in split.queries
    ]
    own = np.unique(np.concatenate([np.zeros(0, np.int64), *queries]))
    return EmbeddedBoxes(rows, person_ids, scenes, split.cameras[scenes], own)


def protocols(boxes: EmbeddedBoxes) -> Mapping[str, TrueBoxScores]:
    """Return what is reached, by what is searched for; a protocol without queries is left out.

    `all boxes`: each labelled box, in all other scenes. `own queries`: the split's own queries alone.
    `across cameras`: each labelled box, in the scenes of other cameras.
    """
    known = boxes.rows, boxes.person_ids, boxes.scenes, boxes.cameras
    reached = {
        "all boxes": true_box_scores(*known),
        "own queries": true_box_scores(*known, queries=boxes.queries),
        "across cameras": true_box_scores(*known, cross_camera=True),
    }
    return {name: scores for name, scores in reached.items() if scores.queries}
