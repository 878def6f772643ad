"""Warnings about detections that can be scored but look wrong."""

from collections.abc import Iterator

import numpy as np

from pipeline.evaluation.detections import Array, Detections
from pipeline.scenes.scene import Split

LENGTH_TOLERANCE = 0.01
"""How far a feature's length may be from 1."""


def doubts(split: Split, detections: Detections) -> Iterator[str]:
    """Yield a warning for each thing that a user should know before believing the metrics.

    Args:
        split: the scenes and queries.
        detections: a model's boxes and features; `check_queries` has passed them.
    """
    yield from _doubts_of_boxes(detections.gallery_dets)
    if detections.pair_dets is not None:
        yield from _doubts_of_boxes(detections.pair_dets, " of pairs")
    # Boxes of pairs have similarities, so there no features are compared.
    for name in () if detections.has_pairs else ("gallery_feats", "query_feats"):
        lengths = np.linalg.norm(getattr(detections, name), axis=1)
        other = int((np.abs(lengths - 1) > LENGTH_TOLERANCE).sum())
        if other:
            yield (
                f"{other} of {len(lengths)} rows of {name} are not of length 1; "
                "they are compared as they are, by their dot products"
            )
    people = np.array([query.person_id for query in split.queries])
    if len(people) == len(detections.query_pids):
        # Where both number the same people, each pair of ids stands for one id on either side.
        pairs = len(np.unique(np.column_stack([people, detections.query_pids]), axis=0)) if len(people) else 0
        if not pairs == len(np.unique(people)) == len(np.unique(detections.query_pids)):
            yield (
                "query_pids are the same, or differ, where the data set's people do not; "
                "the queries must stand in its order"
            )


def _doubts_of_boxes(dets: Array, whose: str = "") -> Iterator[str]:
    """Yield what looks wrong in boxes and scores `[N, 5]`."""
    boxes, scores = dets[:, :4], dets[:, 4]
    turned = int((boxes[:, 2:] < boxes[:, :2]).any(axis=1).sum())
    if turned:
        yield f"{turned} of {len(boxes)} boxes{whose} have x2 < x1 or y2 < y1; they must be x1 y1 x2 y2"
    beyond = int(((scores < 0) | (scores > 1)).sum())
    if beyond:
        yield f"{beyond} of {len(scores)} scores{whose} are not in 0 .. 1, in which the thresholds are"
