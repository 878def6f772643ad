"""The person-search network: a detector that also embeds every person (OIM's end-to-end network)."""

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import resize_boxes

from pipeline.basics.options import added_field
from pipeline.batches.ground_truth import PERSON, Target
from pipeline.models.detector import DetectionStep, Detector, DetectorOptions
from pipeline.models.post_processing import FoundPeople
from pipeline.models.query_guidance import GuidanceOptions

EmbedAt = Literal["final_box", "proposal"]


class PersonSearchOptions(DetectorOptions):
    """A detector's options, the kind of network, and how it embeds.

    Attributes:
        embedding_dim: size of the embedding.
        head: the kind of network, a name of `heads.py`: `oim`; `seqnet`, which has two heads in sequence; or
            `qeeps`, which a query guides.
        embed_at: where a detection is embedded: at its `final_box`, by a further pass through the tail; or at
            its `proposal`, from the RoI features that it was made from, without a further pass. None for the
            head's own way: `oim` at the final box (ours; OIM at the proposal), `seqnet` at what its second
            head gets as a proposal, a box of the first. Boxes that are given are embedded where they are.
        guidance: what a query guides, with `head: qeeps` alone.
    """

    embedding_dim: int = Field(default=256, gt=0)
    head: str = added_field("oim")
    embed_at: EmbedAt | None = added_field(None)
    guidance: GuidanceOptions = added_field(GuidanceOptions())


class FurtherLosses(NamedTuple):
    """What a head learns beside the detector's four losses and the identity.

    Attributes:
        losses: scalars by name.
        counts: how many RoIs each is a mean over, by the same names.
    """

    losses: Mapping[str, Tensor]
    counts: Mapping[str, int]


NO_FURTHER_LOSSES = FurtherLosses({}, {})


class SearchStep(NamedTuple):
    """What a training step of a person-search network computed.

    Attributes:
        detection: the detector's losses and what they were computed from; a detector teacher looks at these.
        embeddings: `[P, D]` of the sampled RoIs that are people; every identity loss sees the same.
        person_ids: `[P]` theirs, `0 .. I-1` or `UNLABELLED`.
        further: the losses of a further head.
        adapted: `[B, C_t, H/16, W/16]` the stem's features in a detector teacher's channels; None without.
        box_rows: `[P]` the row of each one's box in the table by box, or `NO_ROW`; None without such a table.
    """

    detection: DetectionStep
    embeddings: Tensor
    person_ids: Tensor
    further: FurtherLosses = NO_FURTHER_LOSSES
    adapted: Tensor | None = None
    box_rows: Tensor | None = None


class PersonSearchNetwork(Detector):
    """Class, box and a unit embedding from the same RoI features (Xiao et al., CVPR 2017).

    Another head is a subclass with a line in `heads.py`. It says what embeddings are made of
    (`identity_features`, `embed`), what a training step adds to the detector's (`people_step`, and by name
    `further_losses`), and, where it detects in another way, `found_in`.
    """

    own_embed_at: ClassVar[EmbedAt] = "final_box"
    """Where this kind embeds a detection if `embed_at` is None."""
    trains_on_pairs: ClassVar[bool] = False
    """Whether this kind is trained on pairs of scenes, each with a person to look for."""
    options: PersonSearchOptions

    def __init__(self, options: PersonSearchOptions) -> None:
        super().__init__(options)
        self.embedding = nn.Linear(self.roi_channels, options.embedding_dim)

    @classmethod
    def further_losses(cls, options: PersonSearchOptions) -> tuple[str, ...]:  # noqa: ARG003
        """Return the names of the losses that a training step gives as `further`."""
        return ()

    @property
    def embed_at(self) -> EmbedAt:
        """Where a detection is embedded; see `PersonSearchOptions`."""
        return self.options.embed_at or self.own_embed_at

    def embed(self, roi_features: Tensor) -> Tensor:
        """Map RoI features `[R, C]` to unit embeddings `[R, D]`, in float32 also under mixed precision."""
        return functional.normalize(self.embedding(roi_features).float(), dim=1)

    def identity_features(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Return the RoI features `[R, C]` that embeddings are made of; see `roi_features`."""
        return self.roi_features(features, boxes, image_sizes)

    def search_step(self, images: list[Tensor], targets: list[Target]) -> SearchStep:
        """Run one training step's forward pass.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            targets: ground truth, one an image.
        """
        return self.people_step(self.detection_step(images, targets))

    def people_step(self, detection: DetectionStep) -> SearchStep:
        """Embed the people of a detector's training step."""
        rois = detection.rois
        people = rois.labels == PERSON
        box_rows = None if rois.box_rows is None else rois.box_rows[people]
        embeddings = self.embed(rois.features[people])
        return SearchStep(detection, embeddings, rois.person_ids[people], box_rows=box_rows)

    @torch.no_grad()
    def search(
        self, images: list[Tensor], given_boxes: list[Tensor]
    ) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
        """Find and embed people, and embed the boxes that are given (queries, ground truth).

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            given_boxes: `[K, 4]` pixels, one an image; K may be 0.

        Returns:
            For each image the detections (`boxes` `[N, 4]` in its own pixels, `scores` `[N]` falling,
            `embeddings` `[N, D]`), and for each image the embeddings `[K, D]` of its given boxes.
        """
        batch, features = self.scene_features(images)
        found = self.found_in(batch, features)
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        detections = self.in_own_pixels(found, batch.image_sizes, sizes)
        given = [boxes.to(own["boxes"]) for boxes, own in zip(given_boxes, detections, strict=True)]
        if self.embed_at == "proposal":
            embedded = self.embed_found(batch, features, found)
            of_images = torch.split(embedded, [len(people.boxes) for people in found])
            embedded_given = self._embed_boxes(batch, features, given, sizes)
        else:
            both = [torch.cat([own["boxes"], boxes]) for own, boxes in zip(detections, given, strict=True)]
            ends = [len(own["boxes"]) for own in detections]
            embedded_both = self._embed_boxes(batch, features, both, sizes)
            of_images = tuple(rows[:end] for rows, end in zip(embedded_both, ends, strict=True))
            embedded_given = [rows[end:] for rows, end in zip(embedded_both, ends, strict=True)]
        for own, rows in zip(detections, of_images, strict=True):
            own["embeddings"] = rows
        return detections, embedded_given

    def embed_found(self, batch: ImageList, features: dict[str, Tensor], found: list[FoundPeople]) -> Tensor:
        """Embed detections of all images in order, `[N, D]`, where `embed_at` says."""
        if self.embed_at == "proposal":
            return self.embed(torch.cat([people.roi_features for people in found]))
        boxes = [people.boxes for people in found]
        if not any(len(own) for own in boxes):
            return boxes[0].new_zeros(0, self.options.embedding_dim)
        return self.embed(self.identity_features(features, boxes, batch.image_sizes))

    def run_heads(self, batch: ImageList, features: dict[str, Tensor], box: Tensor) -> None:
        """Run the heads on as many RoIs as a scene can have at most, to count what they cost.

        Args:
            batch: one image.
            features: the stem's.
            box: `[4]` in pixels of the resized image; every RoI is taken to be there.
        """
        count = self.options.rpn.post_nms_test
        if self.embed_at == "final_box":
            count += self.options.roi.detections_per_image
        self.embed(self.roi_features(features, [box.expand(count, 4)], batch.image_sizes))

    def _embed_boxes(
        self,
        batch: ImageList,
        features: dict[str, Tensor],
        boxes: list[Tensor],
        sizes: list[tuple[int, int]],
    ) -> list[Tensor]:
        """Embed boxes `[K, 4]` in pixels of images of `sizes`: `[K, D]`, one an image."""
        if not any(len(own) for own in boxes):
            return [own.new_zeros(0, self.options.embedding_dim) for own in boxes]
        resized = [
            resize_boxes(own, list(size), list(after))
            for own, size, after in zip(boxes, sizes, batch.image_sizes, strict=True)
        ]
        embeddings = self.embed(self.identity_features(features, resized, batch.image_sizes))
        return list(torch.split(embeddings, [len(own) for own in boxes]))
