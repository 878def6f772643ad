"""Two-step person search with the two teachers: the re-ID model embeds what the detector detects.

Its scores say what the teachers reach under the protocol of the students.
"""

import torch
from torch import Tensor

from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.batches.transforms import plain_crop_transform
from pipeline.evaluation.detections import Detections
from pipeline.inference.cost import count_parameters, flops_an_image
from pipeline.inference.crops import embed_both_ways
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.inference.students import SceneResult, assemble, given_boxes, picture, to_numpy
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.scenes.boxes import pixels_of
from pipeline.scenes.scene import FloatArray, Split
from pipeline.scenes.shards import ImageShards


def two_step_detections(
    detector: Detector,
    model: ReidModel,
    split: Split,
    images: ImageShards,
    *,
    context_threshold: float,
    device: torch.device,
    progress: Progress,
) -> Detections:
    """Detect with one network and embed with another, scene by scene.

    Args:
        detector: the teacher detector, in evaluation mode.
        model: the re-ID teacher, in evaluation mode.
        split: scenes and queries.
        images: their pictures.
        context_threshold: lowest score of the people around a query that are kept for CBGM.
        device: where the networks run.
        progress: progress.
    """
    found = two_step_scenes(detector, model, split, images, device=device, progress=progress)
    return assemble(split, list(found.values()), context_threshold)


def two_step_scenes(
    detector: Detector,
    model: ReidModel,
    split: Split,
    images: ImageShards,
    *,
    device: torch.device,
    progress: Progress,
    share: Share = ALL,
) -> dict[int, SceneResult]:
    """Return, by scene, what detector and re-ID model find in a device's share; see `two_step_detections`."""
    detector, model = detector.to(device), model.to(device)
    given = given_boxes(split)
    batches = own_batches(len(given), 1, share)
    results = {}
    for batch, (scene,) in zip(batches, plain_scenes(images, batches, device), strict=True):
        (index,) = batch
        found = detector.detect([scene])[0]
        scored = to_numpy(torch.cat([found["boxes"], found["scores"][:, None]], dim=1))
        embedded = to_numpy(embed_boxes(model, scene, [*scored[:, :4], *given[index]]))
        results[index] = SceneResult(scored, embedded[: len(scored)], embedded[len(scored) :])
        progress(done_by_all(batch, len(given), share), len(given))
    return results


def two_step_cost(
    detector: Detector, model: ReidModel, images: ImageShards, scenes: int, device: torch.device
) -> dict[str, float]:
    """Return the number of parameters, and the floating-point operations (`flops`) on a scene.

    Keys begin with `detector`, `reid` (parameters only) and `two_step`: both teachers together.
    """
    detector, model = detector.to(device), model.to(device)

    def detect(index: int) -> tuple[Tensor, Tensor]:
        scene = picture(images, index, device)
        return scene, detector.detect([scene])[0]["boxes"]

    def both(index: int) -> None:
        scene, boxes = detect(index)
        embed_boxes(model, scene, list(to_numpy(boxes)))

    of_detector = count_parameters(detector)
    of_model = count_parameters(model)
    return {
        "detector_parameters": of_detector,
        "detector_flops": flops_an_image(detect, scenes),
        "reid_parameters": of_model,
        "two_step_parameters": of_detector + of_model,
        "two_step_flops": flops_an_image(both, scenes),
    }


def embed_boxes(model: ReidModel, scene: Tensor, boxes: list[FloatArray]) -> Tensor:
    """Embed crops of a scene `[3, H, W]` at K boxes `[4]`: `[K, D]`, each of unit length."""
    transform = plain_crop_transform(model.crop_height, model.crop_width)
    crops = []
    for box in boxes:
        left, top, right, bottom = pixels_of(box, scene.shape[-1], scene.shape[-2])
        crops.append(transform(scene[:, top:bottom, left:right]))
    if not crops:
        return torch.zeros(0, model.neck.num_features, device=scene.device)
    return torch.nn.functional.normalize(embed_both_ways(model, torch.stack(crops)), dim=1)
