"""Running trained networks over a split: once over every scene, for galleries and queries alike."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from pipeline.data.loading import decode
from pipeline.data.scene import FloatArray, Split
from pipeline.data.shards import ImageShards
from pipeline.evaluation.detections import Detections
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.training.devices import make_fabric

CERTAIN = 1.0
"""The score of a ground-truth box among detections."""

Report = Callable[[int, int], None]
"""Called with how many scenes are done and how many there are."""


def search_detections(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    batch_size: int,
    context_threshold: float,
    report: Report,
) -> Detections:
    """Detect and embed everybody in a split's scenes, and embed its queries and ground-truth boxes.

    Args:
        network: the student, in evaluation mode.
        split: scenes and queries.
        images: their pictures.
        batch_size: scenes at a time.
        context_threshold: lowest score of the people around a query that are kept for CBGM.
        report: progress.
    """
    given = [
        np.concatenate([scene.boxes, *_query_boxes(split, index)]) for index, scene in enumerate(split.scenes)
    ]
    rows: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for found, embedded in _run(network, images, given, batch_size, report):
        boxes_and_scores = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)
        rows.append((_numpy(boxes_and_scores), _numpy(found["embeddings"]), _numpy(embedded)))
    detections, features = [row[0] for row in rows], [row[1] for row in rows]
    truth = [row[2][: len(scene.boxes)] for scene, row in zip(split.scenes, rows, strict=True)]
    own = {scene: list(row[2][len(split.scenes[scene].boxes) :]) for scene, row in enumerate(rows)}
    query_features = np.array([own[query.scene].pop(0) for query in split.queries], dtype=np.float32)
    context = [
        _context(query.box, feature, detections[query.scene], features[query.scene], context_threshold)
        for query, feature in zip(split.queries, query_features, strict=True)
    ]
    width = network.embedding.out_features
    return Detections(
        gallery_names=np.array([scene.name for scene in split.scenes]),
        gallery_counts=np.array([len(d) for d in detections], dtype=np.int64),
        gallery_dets=_stacked(detections, 5),
        gallery_feats=_stacked(features, width),
        query_names=np.array([split.scenes[query.scene].name for query in split.queries]),
        query_pids=np.array([_own_id(split, query.person_id) for query in split.queries], dtype=np.int64),
        query_feats=query_features.reshape(-1, width),
        query_counts=np.array([len(boxes) for boxes, _ in context], dtype=np.int64),
        query_dets=_stacked([boxes for boxes, _ in context], 5),
        query_ctx_feats=_stacked([feats for _, feats in context], width),
        ground_truth_counts=np.array([len(scene.boxes) for scene in split.scenes], dtype=np.int64),
        ground_truth_feats=_stacked(truth, width),
    )


def detector_boxes(
    network: Detector, split: Split, images: ImageShards, batch_size: int, report: Report
) -> Iterator[FloatArray]:
    """Yield the detections `[N, 5]` (x1 y1 x2 y2 score) of each scene."""
    fabric = make_fabric()
    network = network.to(fabric.device)
    for start in range(0, len(split.scenes), batch_size):
        indices = range(start, min(start + batch_size, len(split.scenes)))
        for found in network.detect([_picture(images, index, fabric.device) for index in indices]):
            yield _numpy(torch.cat([found["boxes"], found["scores"][:, None]], dim=1))
        report(indices[-1] + 1, len(split.scenes))


def _run(
    network: PersonSearchNetwork,
    images: ImageShards,
    given: list[FloatArray],
    batch_size: int,
    report: Report,
) -> Iterator[tuple[Mapping[str, Tensor], Tensor]]:
    fabric = make_fabric()
    network = network.to(fabric.device)
    for start in range(0, len(given), batch_size):
        indices = range(start, min(start + batch_size, len(given)))
        pictures = [_picture(images, index, fabric.device) for index in indices]
        boxes = [torch.from_numpy(given[index]).float().to(fabric.device) for index in indices]
        yield from zip(*network.search(pictures, boxes), strict=True)
        report(indices[-1] + 1, len(given))


def _picture(images: ImageShards, index: int, device: torch.device) -> Tensor:
    return decode(images[index]).to(device).float() / 255


def _query_boxes(split: Split, scene: int) -> list[FloatArray]:
    return [query.box[None] for query in split.queries if query.scene == scene]


def _context(
    box: FloatArray, feature: FloatArray, detections: FloatArray, features: FloatArray, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Return the query itself, then the people detected around it, by falling score."""
    kept = detections[:, 4] >= threshold
    query = np.append(box, CERTAIN).astype(np.float32)
    return np.vstack([query, detections[kept]]), np.vstack([feature, features[kept]])


def _own_id(split: Split, person_id: int) -> int:
    """Return the data set's own number of a person, or ours where it has no number."""
    text = split.identities[person_id]
    return int(text) if text.isdigit() else person_id


def _numpy(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.float().cpu().numpy()
    return array


def _stacked(arrays: list[FloatArray], width: int) -> FloatArray:
    return np.concatenate([np.zeros((0, width), dtype=np.float32), *arrays])
