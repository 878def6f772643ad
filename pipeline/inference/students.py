"""Running a trained student over a split: once over each scene, for galleries and queries.

A query-guided student is run over pairs of queries and scenes besides: see `pairs.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.batches.pictures import decode, scene_floats
from pipeline.evaluation.detections import Detections
from pipeline.inference.cost import count_parameters, flops_an_image
from pipeline.inference.options import InferenceOptions
from pipeline.inference.pairs import FoundPairs, KeptBlocks, joined, search_pairs, wanted_pairs
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.inference.sharing import ALL, Gathering, done_by_all, own_batches
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.qeeps import Qeeps
from pipeline.scenes.scene import FloatArray, Split
from pipeline.scenes.shards import ImageShards

CERTAIN = 1.0
"""The score that a query's own box gets among the detections around it."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SceneResult:
    """A model's detections and embeddings in one scene.

    Attributes:
        detections: `[N, 5]` x1 y1 x2 y2 score, pixels of the stored image, by falling score.
        features: `[N, D]` embeddings of the detections, each of unit length.
        given_features: `[K, D]` embeddings at the given boxes: ground truth, then the scene's queries.
    """

    detections: Matrix
    features: Matrix
    given_features: Matrix


def search_detections(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    options: InferenceOptions,
    *,
    device: torch.device,
    progress: Progress,
) -> Detections:
    """Do what `joint_detections` does, in a process that runs alone."""
    found = joint_detections(network, split, images, options, device=device, progress=progress)
    assert found is not None, "a process that runs alone is the first"
    return found


def joint_detections(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    options: InferenceOptions,
    *,
    device: torch.device,
    progress: Progress,
    kept: KeptBlocks | None = None,
) -> Detections | None:
    """Detect and embed everybody in a split's scenes, and embed its queries and ground-truth boxes.

    A query-guided network searches pairs of queries and scenes besides. Several devices share the work.

    Args:
        network: the student, in evaluation mode.
        split: scenes and queries.
        images: their pictures.
        options: how it is run.
        device: where the network runs.
        progress: progress, in scenes and pairs.
        kept: where finished pairs are kept, of this device; None for nowhere.

    Returns:
        The detections on the first device, None on the others.

    Raises:
        UserError: there is no gallery of a name that `options` has.
        RuntimeError: another device's process has ended.
    """
    guided = network if isinstance(network, Qeeps) else None
    wanted = wanted_pairs(split, options.galleries) if guided else None
    pairs = 0 if wanted is None else int(wanted.sum())
    everything = len(split.scenes) + pairs
    gathering, gathering_pairs = Gathering(), Gathering()
    own = search_scenes(
        network,
        split,
        images,
        batch_size=options.batch_size,
        device=device,
        progress=lambda done, _: progress(done, everything),
        share=gathering.share,
    )
    found = gathering.on_first(own)
    detections = None if found is None else assemble(split, found, options.context_threshold)
    if guided is None or wanted is None:
        return detections
    own_pairs = search_pairs(
        guided,
        split,
        images,
        wanted,
        batch_size=options.batch_size,
        device=device,
        progress=lambda done, _: progress(len(split.scenes) + done, everything),
        kept=kept,
        share=gathering_pairs.share,
    )
    blocks = gathering_pairs.on_first(own_pairs)
    return None if detections is None or blocks is None else with_pairs(detections, joined(blocks))


def search_scenes(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    *,
    batch_size: int,
    device: torch.device,
    progress: Progress,
    share: Share = ALL,
) -> dict[int, SceneResult]:
    """Return what a student finds in a device's share of the scenes, by scene; see `joint_detections`."""
    network = network.to(device)
    boxes = given_boxes(split)
    batches = own_batches(len(boxes), batch_size, share)
    results = {}
    for batch, pictures in zip(batches, plain_scenes(images, batches, device), strict=True):
        given = [torch.from_numpy(boxes[index]).float().to(device) for index in batch]
        for index, found, embedded in zip(batch, *network.search(pictures, given), strict=True):
            scored = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)
            results[index] = SceneResult(to_numpy(scored), to_numpy(found["embeddings"]), to_numpy(embedded))
        progress(done_by_all(batch, len(boxes), share), len(boxes))
    return results


def student_cost(
    network: PersonSearchNetwork, images: ImageShards, scenes: int, device: torch.device
) -> dict[str, float]:
    """Return a student's `parameters`, and the `flops` of detecting and embedding everybody in a scene."""
    network = network.to(device)
    nothing = torch.zeros(0, 4, device=device)

    def run(index: int) -> None:
        network.search([picture(images, index, device)], [nothing])

    return {"parameters": count_parameters(network), "flops": flops_an_image(run, scenes)}


def given_boxes(split: Split) -> list[FloatArray]:
    """Return for each scene the boxes `[K, 4]` to embed beside the detections: ground truth, then queries."""
    queries: list[list[FloatArray]] = [[] for _ in split.scenes]
    for query in split.queries:
        queries[query.scene].append(query.box[None])
    return [np.concatenate([scene.boxes, *own]) for scene, own in zip(split.scenes, queries, strict=True)]


def assemble(split: Split, found: Sequence[SceneResult], context_threshold: float) -> Detections:
    """Join the results of all scenes, in the split's order, to the arrays that are scored."""
    width = found[0].features.shape[1]
    paired = list(zip(split.scenes, found, strict=True))
    truth = [result.given_features[: len(scene.boxes)] for scene, result in paired]
    # `given_boxes` gave each scene its queries in the split's order: take them from the scene one by one.
    of_queries = [iter(result.given_features[len(scene.boxes) :]) for scene, result in paired]
    query_features = [next(of_queries[query.scene])[None] for query in split.queries]
    context = [
        _context(query.box, feature, found[query.scene], context_threshold)
        for query, feature in zip(split.queries, query_features, strict=True)
    ]
    return Detections(
        gallery_names=np.array([scene.name for scene in split.scenes]),
        gallery_counts=_lengths([result.detections for result in found]),
        gallery_dets=_stacked([result.detections for result in found], 5),
        gallery_feats=_stacked([result.features for result in found], width),
        query_names=np.array([split.scenes[query.scene].name for query in split.queries], dtype=str),
        query_pids=np.array([_own_id(split, query.person_id) for query in split.queries], dtype=np.int64),
        query_feats=_stacked(query_features, width),
        query_counts=_lengths([boxes for boxes, _ in context]),
        query_dets=_stacked([boxes for boxes, _ in context], 5),
        query_ctx_feats=_stacked([feats for _, feats in context], width),
        ground_truth_counts=_lengths(truth),
        ground_truth_feats=_stacked(truth, width),
    )


def with_pairs(detections: Detections, pairs: FoundPairs) -> Detections:
    """Return detections with those of the pairs besides."""
    return replace(
        detections,
        pair_queries=pairs.queries,
        pair_scenes=pairs.scenes,
        pair_counts=pairs.counts,
        pair_dets=pairs.detections,
        pair_similarities=pairs.similarities,
    )


def picture(images: ImageShards, index: int, device: torch.device) -> Tensor:
    """Return one picture as float `[3, H, W]` in 0..1."""
    return scene_floats(decode(images[index]).to(device))


def to_numpy(tensor: Tensor) -> Matrix:
    """Return a tensor as a float32 array."""
    array: Matrix = tensor.float().cpu().numpy()
    return array


def _context(
    box: FloatArray, feature: Matrix, result: SceneResult, threshold: float
) -> tuple[Matrix, Matrix]:
    """Return boxes with scores, and embeddings: the query's, then those of the people detected around it."""
    kept = result.detections[:, 4] >= threshold
    query = np.append(box, CERTAIN).astype(np.float32)
    return np.vstack([query, result.detections[kept]]), np.vstack([feature, result.features[kept]])


def _own_id(split: Split, person_id: int) -> int:
    """Return a person's id as the data set has it; ours where that is no number."""
    text = split.identities[person_id]
    return int(text) if text.isdigit() else person_id


def _lengths(arrays: Sequence[Matrix]) -> npt.NDArray[np.int64]:
    return np.array([len(array) for array in arrays], dtype=np.int64)


def _stacked(arrays: Sequence[Matrix], width: int) -> Matrix:
    return np.concatenate([np.zeros((0, width), dtype=np.float32), *arrays])
