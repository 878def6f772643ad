"""The person detector: Faster R-CNN C4 on torchvision's parts. The teacher detector is one of these."""

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import box_iou

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, added_field
from pipeline.batches.ground_truth import BOX_ROWS, IGNORED, PERSON, Target
from pipeline.models.backbones import (
    EARLY_LEVEL,
    FEATURE_LEVEL,
    IMAGENET_MEAN,
    IMAGENET_STD,
    STRIDE,
    NetworkOptions,
    build_backbone,
)
from pipeline.models.ignored_boxes import on_ignored
from pipeline.models.post_processing import FoundPeople, inside, strongest
from pipeline.models.region_proposals import (
    SMOOTH_L1_BETA,
    RegionProposalOptions,
    RegionProposals,
    SampledAnchors,
    check_float32,
)
from pipeline.models.roi_pooling import RoiPooling
from pipeline.models.weight_files import load_network
from pipeline.scenes.box_rows import NO_ROW
from pipeline.scenes.scene import UNLABELLED

BACKGROUND_AND_PERSON = 2


class RoiOptions(Options):
    """The RoI head: pooling, sampling and what is kept at test time.

    Attributes:
        sampling_ratio: points that RoIAlign takes in a bin, along each side; 0 for as many as the bin has
            cells of the features. torchvision's Faster R-CNN has 2.
        box_beta: where the box loss turns from square to linear; torchvision has 1/9, OIM 1.
        stride: of the features that RoIs are pooled from: 16, the stem's end, or 8 or 4, a stage or two
            earlier (ours). With these, the rest of the stem runs on each RoI by itself, before the tail: so a
            RoI sees little but its box, where features at the stem's end see hundreds of pixels around it.
            `pooled_height` and `pooled_width` are then in cells of 8 or 4 pixels, and halved twice or three
            times.
        stripes: how many stripes, one below another, the tail's output is pooled to (ours, after the parts of
            PCB; Sun et al., ECCV 2018). An embedding is made of all, so that it can tell a head from feet;
            class and box are made of their mean. It must divide the rows of that output, which are half of
            `pooled_height`, with a `stride` of 8 a quarter, and of 4 an eighth.
    """

    pooled_height: int = Field(default=14, gt=0)
    pooled_width: int = Field(default=14, gt=0)
    sampled_rois: int = Field(default=128, gt=0)
    positive_fraction: float = Field(default=0.25, gt=0, le=1)
    foreground_iou: float = Field(default=0.5, gt=0, lt=1)
    score_threshold: float = Field(default=0.01, ge=0, lt=1)
    nms_threshold: float = Field(default=0.4, gt=0, le=1)
    detections_per_image: int = Field(default=100, gt=0)
    sampling_ratio: int = added_field(1, ge=0)
    box_beta: float = added_field(SMOOTH_L1_BETA, gt=0)
    stride: Literal[4, 8, 16] = added_field(16)
    stripes: int = added_field(1, gt=0)

    @model_validator(mode="after")
    def _stripes_are_of_one_height(self) -> "RoiOptions":
        rows = -(-self.pooled_height // (2 * STRIDE // self.stride))
        if rows % self.stripes:
            raise ValueError(
                f"stripes: {rows} rows of the tail's output are not {self.stripes} equal stripes"
            )
        return self


class DetectorOptions(NetworkOptions):
    """Everything that the architecture of a detector needs.

    `short_side` and `long_side` are the size in pixels that images are resized to: the short side to the
    first unless that makes the long side exceed the second.
    """

    short_side: int = Field(default=600, gt=0)
    long_side: int = Field(default=1000, gt=0)
    rpn: RegionProposalOptions = RegionProposalOptions()
    roi: RoiOptions = RoiOptions()


class MatchedBoxes(NamedTuple):
    """Boxes that a head learns from, over all images of the batch in order, and what each was matched with.

    Attributes:
        boxes: by image `[R_i, 4]`, in pixels of the resized image.
        labels: `[R]` `PERSON` or 0.
        target_deltas: `[R, 4]` the ground truth, encoded; it says nothing where `labels` is 0.
        person_ids: `[R]` id of the person that the box was matched with, or `UNLABELLED`; it says nothing
            where `labels` is 0.
        box_rows: `[R]` row in the table by box of the box that it was matched with, or `NO_ROW`; it says
            nothing where `labels` is 0. None without such a table.
    """

    boxes: list[Tensor]
    labels: Tensor
    target_deltas: Tensor
    person_ids: Tensor
    box_rows: Tensor | None = None


class SampledRois(NamedTuple):
    """The RoIs that a training step learns from, over all images of the batch in order.

    Attributes:
        boxes: by image `[R_i, 4]`, in pixels of the resized image.
        features: `[R, C]` the pooled output of the tail.
        class_logits: `[R, 2]` background and person.
        box_deltas: `[R, 4]` encoded boxes, as a person.
        labels: `[R]` `PERSON` or 0.
        target_deltas: `[R, 4]` the ground truth, encoded; it says nothing where `labels` is 0.
        person_ids: `[R]` id of the person that the RoI was matched with, or `UNLABELLED`; it says nothing
            where `labels` is 0.
        box_rows: `[R]` see `MatchedBoxes`.
    """

    boxes: list[Tensor]
    features: Tensor
    class_logits: Tensor
    box_deltas: Tensor
    labels: Tensor
    target_deltas: Tensor
    person_ids: Tensor
    box_rows: Tensor | None = None


class DetectionStep(NamedTuple):
    """What a training step computed: the detector's own losses, and what further losses learn from.

    Attributes:
        losses: scalars `rpn_objectness`, `rpn_box`, `roi_class`, `roi_box`.
        images: the resized, normalised batch.
        features: `[B, C, H/16, W/16]` the stem's output.
        anchors: what the RPN learned from.
        rois: what the RoI head learned from.
        targets: the ground truth, one an image, boxes in pixels of the resized image.
        levels: the stem's features by level; see `Detector.stem_features`.
    """

    losses: dict[str, Tensor]
    images: ImageList
    features: Tensor
    anchors: SampledAnchors
    rois: SampledRois
    targets: list[Target]
    levels: dict[str, Tensor]


class Judgement(NamedTuple):
    """A teacher detector's predictions for the anchors and RoIs that a student sampled.

    Attributes:
        features: `[B, C, H/16, W/16]` its stem's output.
        objectness: `[A]` logits of the anchors.
        anchor_deltas: `[A, 4]` their encoded boxes.
        class_logits: `[R, 2]` of the RoIs.
        roi_deltas: `[R, 4]` their encoded boxes, as a person.
    """

    features: Tensor
    objectness: Tensor
    anchor_deltas: Tensor
    class_logits: Tensor
    roi_deltas: Tensor


class Detector(nn.Module):
    """Faster R-CNN C4: stem, RPN, RoIAlign, tail, class and box."""

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__()
        self.options = options
        backbone = build_backbone(options.backbone)
        self.transform = GeneralizedRCNNTransform(
            options.short_side, options.long_side, IMAGENET_MEAN, IMAGENET_STD, size_divisible=STRIDE
        )
        self.stem = backbone.stem
        self._parts_before_rois = backbone.parts_up_to(options.roi.stride)
        self._check_shared_parts()
        self.rpn = RegionProposals(options.rpn, backbone.stem_channels)
        self.roi_heads = RoIHeads(
            box_roi_pool=RoiPooling(
                FEATURE_LEVEL if options.roi.stride == STRIDE else EARLY_LEVEL,
                options.roi.stride,
                (options.roi.pooled_height, options.roi.pooled_width),
                options.roi.sampling_ratio,
            ),
            box_head=nn.Sequential(
                backbone.tail, nn.AdaptiveAvgPool2d((options.roi.stripes, 1)), nn.Flatten()
            ),
            box_predictor=FastRCNNPredictor(backbone.tail_channels, BACKGROUND_AND_PERSON),
            fg_iou_thresh=options.roi.foreground_iou,
            bg_iou_thresh=options.roi.foreground_iou,
            batch_size_per_image=options.roi.sampled_rois,
            positive_fraction=options.roi.positive_fraction,
            bbox_reg_weights=None,
            score_thresh=options.roi.score_threshold,
            nms_thresh=options.roi.nms_threshold,
            detections_per_img=options.roi.detections_per_image,
        )
        self.stem_channels = backbone.stem_channels
        self.tail_channels = backbone.tail_channels
        self.roi_channels = backbone.tail_channels * options.roi.stripes

    @classmethod
    def load(cls, path: Path) -> "Detector":
        """Load a detector from its weight file; see `load_network`."""
        return load_network(path, "detector", DetectorOptions, cls)

    def detection_step(self, images: list[Tensor], targets: list[Target]) -> DetectionStep:
        """Run one training step's forward pass.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            targets: ground truth, one an image, boxes in float32; an image may have no box.

        Returns:
            The four Faster R-CNN losses and what they were computed from.
        """
        batch, resized = self.resized(images, targets)
        features = self.stem_features(batch.tensors)
        proposals, rpn_losses = self.rpn(batch, features, resized)
        sampled = self.sample_boxes(proposals, resized)
        roi_features = self.roi_features(features, sampled.boxes, batch.image_sizes)
        return self.step_from(batch, features, resized, rpn_losses, sampled, roi_features)

    def resized(self, images: list[Tensor], targets: list[Target]) -> tuple[ImageList, list[Target]]:
        """Resize, normalise and batch training images, and resize their boxes, which must be float32."""
        for target in targets:
            check_float32(boxes=target["boxes"])
        batch, resized = self.transform(images, targets)
        for target, image, size in zip(resized, images, batch.image_sizes, strict=True):
            if IGNORED in target:  # torchvision resizes `boxes` alone
                target[IGNORED] = resize_boxes(target[IGNORED], list(image.shape[-2:]), list(size))
        return batch, resized

    def step_from(
        self,
        batch: ImageList,
        features: dict[str, Tensor],
        targets: list[Target],
        rpn_losses: dict[str, Tensor],
        sampled: MatchedBoxes,
        roi_features: Tensor,
    ) -> DetectionStep:
        """Predict class and box of the sampled RoIs, and return what a training step computed.

        Args:
            batch: the resized images.
            features: the stem's, by level.
            targets: ground truth, one an image, in pixels of the resized image.
            rpn_losses: torchvision's, of the proposals.
            sampled: the RoIs.
            roi_features: `[R, C]` theirs.
        """
        class_logits, box_deltas = self.predictions(roi_features)
        rois = SampledRois(
            sampled.boxes,
            roi_features,
            class_logits,
            box_deltas,
            sampled.labels,
            sampled.target_deltas,
            sampled.person_ids,
            sampled.box_rows,
        )
        roi_class, roi_box = roi_losses(rois, self.options.roi.box_beta)
        losses = {
            "rpn_objectness": rpn_losses["loss_objectness"],
            "rpn_box": rpn_losses["loss_rpn_box_reg"],
            "roi_class": roi_class,
            "roi_box": roi_box,
        }
        return DetectionStep(
            losses, batch, features[FEATURE_LEVEL], self.rpn.sampled_anchors(), rois, targets, features
        )

    def sample_boxes(self, candidates: list[Tensor], targets: list[Target]) -> MatchedBoxes:
        """Draw what a head learns from: candidates and ground truth, matched with the ground truth.

        Args:
            candidates: `[N, 4]` boxes, one list an image, in pixels of the resized image.
            targets: ground truth, one an image, in the same pixels. A candidate that lies on an ignored box
                and is no person is not drawn.
        """
        candidates = [
            self._without_ignored(own, target) for own, target in zip(candidates, targets, strict=True)
        ]
        boxes, matched, labels, regression = self.roi_heads.select_training_samples(candidates, targets)
        person_ids = _matched("person_ids", targets, matched, UNLABELLED)
        box_rows = None
        if any(BOX_ROWS in target for target in targets):
            box_rows = _matched(BOX_ROWS, targets, matched, NO_ROW)
        return MatchedBoxes(boxes, torch.cat(labels), torch.cat(regression), person_ids, box_rows)

    def _without_ignored(self, candidates: Tensor, target: Target) -> Tensor:
        """Return the candidates `[N, 4]` without those that would be background but lie on ignored boxes."""
        if IGNORED not in target:
            return candidates
        threshold = self.options.roi.foreground_iou  # the head has no band between background and person
        background = (box_iou(target["boxes"], candidates) < threshold).all(dim=0)
        return candidates[~(background & on_ignored(candidates, target, threshold))]

    def compile_backbone(self) -> None:
        """Let PyTorch compile each part of the stem, and the tail; images and RoIs may change in size."""
        for part in self.stem:
            part.compile(dynamic=True)
        self.roi_heads.box_head.compile(dynamic=True)

    @torch.no_grad()
    def judge(self, step: DetectionStep) -> Judgement:
        """Predict class and box for the anchors and RoIs that another detector's training step sampled.

        Both detectors must resize images to the same size and have the same anchors.
        """
        levels = self.stem_features(step.images.tensors)
        features = levels[FEATURE_LEVEL]
        objectness, anchor_deltas = self.rpn.judge(features, step.anchors.indices)
        roi_features = self.roi_features(levels, step.rois.boxes, step.images.image_sizes)
        class_logits, roi_deltas = self.predictions(roi_features)
        return Judgement(features, objectness, anchor_deltas, class_logits, roi_deltas)

    @torch.no_grad()
    def detect(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Find people.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.

        Returns:
            For each image `boxes` `[N, 4]` in its own pixels and `scores` `[N]`, by falling score.
        """
        batch, features = self.scene_features(images)
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        return self.in_own_pixels(self.found_in(batch, features), batch.image_sizes, sizes)

    def scene_features(self, images: list[Tensor]) -> tuple[ImageList, dict[str, Tensor]]:
        """Resize, normalise and batch the images and run the stem; see `stem_features`."""
        batch, _ = self.transform(images)
        return batch, self.stem_features(batch.tensors)

    def stem_features(self, images: Tensor) -> dict[str, Tensor]:
        """Run the stem on a batch `[B, 3, H, W]`.

        Returns:
            By level `[B, C, H/16, W/16]`, and, where RoIs are pooled from it, the early one, `[B, C', H/s,
            W/s]` of their stride s.
        """
        pooled_from = self._through_stem_parts(slice(self._parts_before_rois), images)
        end = self.to_stem_end(pooled_from)
        return {FEATURE_LEVEL: end} if end is pooled_from else {FEATURE_LEVEL: end, EARLY_LEVEL: pooled_from}

    def pooled(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool boxes (in resized pixels) and run what is left of the stem: `[R, C, h, w]`."""
        return self.to_stem_end(self.roi_heads.box_roi_pool(features, boxes, image_sizes))

    def to_stem_end(self, pooled: Tensor) -> Tensor:
        """Run what is left of the stem where RoIs are pooled; nothing, where that is its end."""
        return self._through_stem_parts(slice(self._parts_before_rois, None), pooled)

    def _through_stem_parts(self, parts: slice, features: Tensor) -> Tensor:
        for part in list(self.stem)[parts]:
            features = part(features)
        return features

    def _check_shared_parts(self) -> None:
        """Raise `UserError` where the stem's last parts would have statistics of scenes and RoIs at once."""
        stride = self.options.roi.stride
        if stride != STRIDE and self.options.backbone.normalisation == "batch":
            raise UserError(
                f"network.roi.stride: with {stride}, parts of the stem see scenes and RoIs, and batch "
                "statistics would be of both; set backbone.normalisation: frozen_batch, or group"
            )

    def found_in(self, batch: ImageList, features: dict[str, Tensor]) -> list[FoundPeople]:
        """Find people in a stem's features, one result an image; boxes are in pixels of the resized image."""
        proposals, _ = self.rpn(batch, features)
        return self.found_at(batch, features, proposals)

    def found_at(
        self, batch: ImageList, features: dict[str, Tensor], proposals: list[Tensor]
    ) -> list[FoundPeople]:
        """Make detections of proposals, by image `[N, 4]`; everything is in pixels of the resized image.

        It is what torchvision's `postprocess_detections` gives, which does not say where a detection is from.
        """
        roi_features = self.roi_features(features, proposals, batch.image_sizes)
        class_logits, box_deltas = self.predictions(roi_features)
        boxes = self.roi_heads.box_coder.decode(box_deltas, proposals).reshape(-1, 4)
        scores = functional.softmax(class_logits, dim=-1)[:, PERSON]
        return self.kept_people(
            boxes, scores, proposals, roi_features, batch.image_sizes, self.options.roi.nms_threshold
        )

    def kept_people(
        self,
        boxes: Tensor,
        scores: Tensor,
        rois: list[Tensor],
        roi_features: Tensor,
        image_sizes: list[tuple[int, int]],
        nms_threshold: float,
    ) -> list[FoundPeople]:
        """Keep the detections that count, one result an image.

        Args:
            boxes: `[R, 4]` of all images in order, in pixels of the resized image.
            scores: `[R]` 0..1.
            rois: by image `[R_i, 4]`, the boxes that the detections were made from.
            roi_features: `[R, C]` theirs.
            image_sizes: (height, width) of the resized images.
            nms_threshold: of two boxes with a higher overlap, the one of the higher score is kept.
        """
        lengths = [len(own) for own in rois]
        parts = (torch.split(values, lengths) for values in (boxes, scores, roi_features))
        found = []
        for own_boxes, own_scores, own_features, own_rois, size in zip(
            *parts, rois, image_sizes, strict=True
        ):
            clipped = inside(own_boxes, size)
            kept = strongest(
                clipped,
                own_scores,
                score_threshold=self.options.roi.score_threshold,
                nms_threshold=nms_threshold,
                most=self.options.roi.detections_per_image,
            )
            found.append(FoundPeople(clipped[kept], own_scores[kept], own_rois[kept], own_features[kept]))
        return found

    @staticmethod
    def in_own_pixels(
        found: list[FoundPeople], resized: list[tuple[int, int]], sizes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Return for each image `boxes` `[N, 4]` in pixels of its own size, and `scores` `[N]`.

        Args:
            found: in resized images.
            resized: (height, width) of these.
            sizes: (height, width) of the images themselves.
        """
        return [
            {"boxes": resize_boxes(people.boxes, list(before), list(after)), "scores": people.scores}
            for people, before, after in zip(found, resized, sizes, strict=True)
        ]

    def roi_features(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool boxes (in resized pixels) and run the tail: `[R, C]`, of each channel all stripes."""
        result: Tensor = self.roi_heads.box_head(self.pooled(features, boxes, image_sizes))
        return result

    def mean_of_stripes(self, roi_features: Tensor) -> Tensor:
        """Return what class and box are made of, `[R, C / stripes]`, of RoI features `[R, C]`."""
        stripes = self.options.roi.stripes
        if stripes == 1:
            return roi_features
        return roi_features.reshape(-1, self.tail_channels, stripes).mean(dim=2)

    def predictions(self, roi_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class logits `[R, 2]` and, as a person, encoded boxes `[R, 4]` of RoIs, in float32."""
        class_logits, box_regression = self.roi_heads.box_predictor(self.mean_of_stripes(roi_features))
        # Boxes come class by class, `[R, 8]`.
        deltas = box_regression.float().reshape(-1, BACKGROUND_AND_PERSON, 4)
        return class_logits.float(), deltas[:, PERSON]


def roi_losses(rois: SampledRois, box_beta: float) -> tuple[Tensor, Tensor]:
    """Return the losses of class and box, as torchvision's `fastrcnn_loss` does, which fixes `box_beta`.

    Args:
        rois: those that were sampled. An empty image may have none, if proposals have a smallest size.
        box_beta: where the box loss turns from square to linear.

    Returns:
        Two scalars; 0 where there is no RoI.
    """
    check_float32(class_logits=rois.class_logits, deltas=rois.box_deltas, targets=rois.target_deltas)
    box_loss = people_box_loss(rois.box_deltas, rois.target_deltas, rois.labels, box_beta)
    if not len(rois.labels):
        return rois.class_logits.sum(), box_loss
    return functional.cross_entropy(rois.class_logits, rois.labels), box_loss


def people_box_loss(box_deltas: Tensor, target_deltas: Tensor, labels: Tensor, box_beta: float) -> Tensor:
    """Return the box loss of the RoIs that are people, divided by the number of all RoIs.

    Args:
        box_deltas: `[R, 4]` encoded boxes, as a person.
        target_deltas: `[R, 4]` the ground truth, encoded.
        labels: `[R]` `PERSON` or 0.
        box_beta: where the loss turns from square to linear.

    Returns:
        A scalar; 0 where nobody is there.
    """
    people = torch.where(labels == PERSON)[0]
    loss = functional.smooth_l1_loss(
        box_deltas[people], target_deltas[people], beta=box_beta, reduction="sum"
    )
    return loss / max(len(labels), 1)


def _matched(name: str, targets: list[Target], matched: list[Tensor], nothing: int) -> Tensor:
    """Return `[R]` what targets say of each RoI's match; `nothing` in an image without people.

    Args:
        name: the key of what is said, `[N]` of N boxes; a target may be without it.
        targets: one an image.
        matched: by image `[R_i]`, which box each RoI was matched with.
        nothing: the value of what is not there.
    """
    values = []
    for target, places in zip(targets, matched, strict=True):
        said = target.get(name)
        values.append(torch.full_like(places, nothing) if said is None or not len(said) else said[places])
    return torch.cat(values)
