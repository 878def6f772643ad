"""Running a trained student over a split: once over every scene, for galleries and queries alike."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.batches.loading import decode
from pipeline.devices import make_fabric
from pipeline.evaluation.detections import Detections
from pipeline.inference.cost import count_parameters, flops_an_image
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.scene import FloatArray, Split
from pipeline.scenes.shards import ImageShards

CERTAIN = 1.0
"""The score of a query's own box among the detections around it."""

Matrix = npt.NDArray[np.float32]
Report = Callable[[int, int], None]
"""Called with how many scenes are done and how many there are."""


@dataclass(frozen=True)
class SceneResult:
    """What a model says about one scene.

    Attributes:
        detections: `[N, 5]` x1 y1 x2 y2 score, pixels of the stored image, by falling score.
        features: `[N, D]` unit rows.
        given_features: `[K, D]` at the boxes that were given: ground truth, then the scene's queries.
    """

    detections: Matrix
    features: Matrix
    given_features: Matrix


def search_detections(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    *,
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
    device = make_fabric().device
    network = network.to(device)

    def results() -> Iterator[SceneResult]:
        boxes = given_boxes(split)
        for start in range(0, len(boxes), batch_size):
            indices = range(start, min(start + batch_size, len(boxes)))
            pictures = [picture(images, index, device) for index in indices]
            given = [torch.from_numpy(boxes[index]).float().to(device) for index in indices]
            for found, embedded in zip(*network.search(pictures, given), strict=True):
                scored = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)
                yield SceneResult(to_numpy(scored), to_numpy(found["embeddings"]), to_numpy(embedded))
            report(indices[-1] + 1, len(boxes))

    return assemble(split, results(), context_threshold)


def student_cost(network: PersonSearchNetwork, images: ImageShards, scenes: int) -> dict[str, float]:
    """Return a student's `parameters`, and the `flops` of finding and embedding everybody in a scene."""
    device = make_fabric().device
    network = network.to(device)
    nothing = torch.zeros(0, 4, device=device)

    def run(index: int) -> None:
        network.search([picture(images, index, device)], [nothing])

    return {"parameters": count_parameters(network), "flops": flops_an_image(run, scenes)}


def given_boxes(split: Split) -> list[FloatArray]:
    """Return for each scene the boxes `[K, 4]` to embed whatever is detected: ground truth, then queries."""
    queries: list[list[FloatArray]] = [[] for _ in split.scenes]
    for query in split.queries:
        queries[query.scene].append(query.box[None])
    return [np.concatenate([scene.boxes, *own]) for scene, own in zip(split.scenes, queries, strict=True)]


def assemble(split: Split, results: Iterable[SceneResult], context_threshold: float) -> Detections:
    """Put the results of all scenes, in the split's order, into the form that is scored."""
    rows = list(results)
    width = rows[0].features.shape[1]
    truth = [row.given_features[: len(scene.boxes)] for scene, row in zip(split.scenes, rows, strict=True)]
    of_queries = [
        iter(row.given_features[len(scene.boxes) :]) for scene, row in zip(split.scenes, rows, strict=True)
    ]
    query_features = [next(of_queries[query.scene])[None] for query in split.queries]
    context = [
        _context(query.box, feature, rows[query.scene], context_threshold)
        for query, feature in zip(split.queries, query_features, strict=True)
    ]
    return Detections(
        gallery_names=np.array([scene.name for scene in split.scenes]),
        gallery_counts=_lengths([row.detections for row in rows]),
        gallery_dets=_stacked([row.detections for row in rows], 5),
        gallery_feats=_stacked([row.features for row in rows], width),
        query_names=np.array([split.scenes[query.scene].name for query in split.queries], dtype=str),
        query_pids=np.array([_own_id(split, query.person_id) for query in split.queries], dtype=np.int64),
        query_feats=_stacked(query_features, width),
        query_counts=_lengths([boxes for boxes, _ in context]),
        query_dets=_stacked([boxes for boxes, _ in context], 5),
        query_ctx_feats=_stacked([feats for _, feats in context], width),
        ground_truth_counts=_lengths(truth),
        ground_truth_feats=_stacked(truth, width),
    )


def picture(images: ImageShards, index: int, device: torch.device) -> Tensor:
    """Return one picture as float `[3, H, W]` in 0..1."""
    return decode(images[index]).to(device).float() / 255


def to_numpy(tensor: Tensor) -> Matrix:
    """Return a tensor as a float32 array."""
    array: Matrix = tensor.float().cpu().numpy()
    return array


def _context(
    box: FloatArray, feature: Matrix, result: SceneResult, threshold: float
) -> tuple[Matrix, Matrix]:
    """Return the query itself, then the people detected around it, by falling score."""
    kept = result.detections[:, 4] >= threshold
    query = np.append(box, CERTAIN).astype(np.float32)
    return np.vstack([query, result.detections[kept]]), np.vstack([feature, result.features[kept]])


def _own_id(split: Split, person_id: int) -> int:
    """Return the data set's own number of a person, or ours where it has no number."""
    text = split.identities[person_id]
    return int(text) if text.isdigit() else person_id


def _lengths(arrays: Sequence[Matrix]) -> npt.NDArray[np.int64]:
    return np.array([len(array) for array in arrays], dtype=np.int64)


def _stacked(arrays: Sequence[Matrix], width: int) -> Matrix:
    return np.concatenate([np.zeros((0, width), dtype=np.float32), *arrays])
