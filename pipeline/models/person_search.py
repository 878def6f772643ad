"""The person-search network: a detector that also embeds every person (OIM's end-to-end network)."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.transform import resize_boxes

from pipeline.batches.ground_truth import PERSON, Target
from pipeline.models.detector import DetectionStep, Detector
from pipeline.models.detector_options import DetectorOptions


class PersonSearchOptions(DetectorOptions):
    """A detector's options and the size of the embedding."""

    embedding_dim: int = Field(default=256, gt=0)


class PersonSearchNetwork(Detector):
    """Class, box and a unit embedding from the same RoI features (Xiao et al., CVPR 2017)."""

    def __init__(self, options: PersonSearchOptions) -> None:
        super().__init__(options)
        self.embedding = nn.Linear(self.roi_channels, options.embedding_dim)

    def embed(self, roi_features: Tensor) -> Tensor:
        """Map RoI features `[R, C]` to unit embeddings `[R, D]`, in float32 whatever the precision around."""
        return functional.normalize(self.embedding(roi_features).float(), dim=1)

    def search_losses(
        self, images: list[Tensor], targets: list[Target]
    ) -> tuple[dict[str, Tensor], DetectionStep, Tensor, Tensor]:
        """Run one training step's forward pass.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            targets: ground truth, one an image.

        Returns:
            The four detection losses, what they learned from, and what an identity loss is computed from: the
            embeddings `[P, D]` of those RoIs that are people, and their person ids `[P]` (`0 .. I-1` or
            `UNLABELLED`). Every identity loss sees the same RoIs.
        """
        losses, step = self.detection_losses(images, targets)
        people = step.rois.labels == PERSON
        return losses, step, self.embed(step.rois.features[people]), step.rois.person_ids[people]

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
