"""The person-search network: a detector that also embeds every person (OIM's end-to-end network)."""

from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.transform import resize_boxes

from pipeline.batches.ground_truth import PERSON, Target
from pipeline.models.detector import DetectionStep, Detector, DetectorOptions
from pipeline.models.weight_files import load_network


class PersonSearchOptions(DetectorOptions):
    """A detector's options and the size of the embedding."""

    embedding_dim: int = Field(default=256, gt=0)


class SearchStep(NamedTuple):
    """What a training step of a person-search network computed.

    Attributes:
        detection: the detector's losses and what they were computed from.
        embeddings: `[P, D]` of the sampled RoIs that are people; every identity loss sees the same.
        person_ids: `[P]` theirs, `0 .. I-1` or `UNLABELLED`.
        adapted: `[B, C_t, H/16, W/16]` the stem's features in a detector teacher's channels; None without.
    """

    detection: DetectionStep
    embeddings: Tensor
    person_ids: Tensor
    adapted: Tensor | None = None


class PersonSearchNetwork(Detector):
    """Class, box and a unit embedding from the same RoI features (Xiao et al., CVPR 2017)."""

    def __init__(self, options: PersonSearchOptions) -> None:
        super().__init__(options)
        self.embedding = nn.Linear(self.roi_channels, options.embedding_dim)

    @classmethod
    def load(cls, path: Path) -> "PersonSearchNetwork":
        """Load a network from its weight file; see `load_network`."""
        return load_network(path, "person_search", PersonSearchOptions, cls)

    def embed(self, roi_features: Tensor) -> Tensor:
        """Map RoI features `[R, C]` to unit embeddings `[R, D]`, in float32 also under mixed precision."""
        return functional.normalize(self.embedding(roi_features).float(), dim=1)

    def search_step(self, images: list[Tensor], targets: list[Target]) -> SearchStep:
        """Run one training step's forward pass.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            targets: ground truth, one an image.
        """
        detection = self.detection_step(images, targets)
        people = detection.rois.labels == PERSON
        return SearchStep(
            detection, self.embed(detection.rois.features[people]), detection.rois.person_ids[people]
        )

    @torch.no_grad()
    def search(
        self, images: list[Tensor], given_boxes: list[Tensor]
    ) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
        """Find and embed people, and embed the boxes that are given (queries, ground truth).

        A detection is embedded at its final, regressed box, as a given box is (ours; OIM: at its proposal).

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            given_boxes: `[K, 4]` pixels, one an image; K may be 0.

        Returns:
            For each image the detections (`boxes` `[N, 4]` in its own pixels, `scores` `[N]` falling,
            `embeddings` `[N, D]`), and for each image the embeddings `[K, D]` of its given boxes.
        """
        batch, features = self.scene_features(images)
        image_sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        detections = self.detect_in(batch, features, image_sizes)
        all_boxes = [
            resize_boxes(torch.cat([found["boxes"], given.to(found["boxes"])]), list(original), list(resized))
            for found, given, original, resized in zip(
                detections, given_boxes, image_sizes, batch.image_sizes, strict=True
            )
        ]
        embeddings = self.embed(self.roi_features(features, all_boxes, batch.image_sizes))
        embedded_given = []
        of_images = torch.split(embeddings, [len(boxes) for boxes in all_boxes])
        for found, own in zip(detections, of_images, strict=True):
            found["embeddings"] = own[: len(found["boxes"])]
            embedded_given.append(own[len(found["boxes"]) :])
        return detections, embedded_given
