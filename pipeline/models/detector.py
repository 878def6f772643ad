"""The person detector: Faster R-CNN C4 on torchvision's parts. The teacher detector is one of these."""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign

from pipeline.data.ground_truth import Target
from pipeline.data.scene import UNLABELLED
from pipeline.models.backbones import BackboneOptions, build_backbone
from pipeline.models.normalisation import IMAGENET_MEAN, IMAGENET_STD
from pipeline.options import Options

BACKGROUND_AND_PERSON = 2
FEATURE_LEVEL = "0"


class RegionProposalOptions(Options):
    """The RPN: its anchors, sampling and proposals (Faster R-CNN; the defaults are OIM's where it says)."""

    anchor_sizes: list[PositiveInt] = Field(default=[128, 256, 512], min_length=1)
    aspect_ratios: list[PositiveFloat] = Field(default=[0.5, 1.0, 2.0], min_length=1)
    foreground_iou: float = Field(default=0.7, gt=0, lt=1)
    background_iou: float = Field(default=0.3, gt=0, lt=1)
    sampled_anchors: int = Field(default=256, gt=0)
    positive_fraction: float = Field(default=0.5, gt=0, le=1)
    nms_threshold: float = Field(default=0.7, gt=0, le=1)
    pre_nms_train: int = Field(default=12000, gt=0)
    post_nms_train: int = Field(default=2000, gt=0)
    pre_nms_test: int = Field(default=6000, gt=0)
    post_nms_test: int = Field(default=300, gt=0)


class RoiOptions(Options):
    """The RoI head: pooling, sampling and what is kept at test time."""

    pooled_height: int = Field(default=14, gt=0)
    pooled_width: int = Field(default=14, gt=0)
    sampled_rois: int = Field(default=128, gt=0)
    positive_fraction: float = Field(default=0.25, gt=0, le=1)
    foreground_iou: float = Field(default=0.5, gt=0, lt=1)
    score_threshold: float = Field(default=0.01, ge=0, lt=1)
    nms_threshold: float = Field(default=0.4, gt=0, le=1)
    detections_per_image: int = Field(default=100, gt=0)


class DetectorOptions(Options):
    """Everything that the architecture of a detector needs.

    `short_side` and `long_side` are the size in pixels that images are resized to: the short side to the
    first unless that makes the long side exceed the second.
    """

    backbone: BackboneOptions
    short_side: int = Field(default=600, gt=0)
    long_side: int = Field(default=1000, gt=0)
    rpn: RegionProposalOptions = RegionProposalOptions()
    roi: RoiOptions = RoiOptions()


class SampledRois(NamedTuple):
    """The RoIs that a training step learns from, over all images of the batch in order.

    Attributes:
        features: `[R, C]` the pooled output of the tail.
        labels: `[R]` `PERSON` or 0.
        person_ids: `[R]` id of the person that the RoI was matched with, or `UNLABELLED`; it says nothing
            where `labels` is 0.
    """

    features: Tensor
    labels: Tensor
    person_ids: Tensor


class Detector(nn.Module):
    """Faster R-CNN C4: stem, RPN, RoIAlign, tail, class and box."""

    def __init__(self, options: DetectorOptions) -> None:
        super().__init__()
        backbone = build_backbone(options.backbone)
        self.transform = GeneralizedRCNNTransform(
            options.short_side, options.long_side, IMAGENET_MEAN, IMAGENET_STD, size_divisible=16
        )
        self.stem = backbone.stem
        self.rpn = _region_proposal_network(options.rpn, backbone.stem_channels)
        self.roi_heads = RoIHeads(
            box_roi_pool=MultiScaleRoIAlign(
                [FEATURE_LEVEL], (options.roi.pooled_height, options.roi.pooled_width), sampling_ratio=1
            ),
            box_head=nn.Sequential(backbone.tail, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
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
        self.roi_channels = backbone.tail_channels

    def detection_losses(
        self, images: list[Tensor], targets: list[Target]
    ) -> tuple[dict[str, Tensor], SampledRois]:
        """Run one training step's forward pass.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.
            targets: ground truth, one an image; an image may have no box.

        Returns:
            The four Faster R-CNN losses (scalars `rpn_objectness`, `rpn_box`, `roi_class`, `roi_box`), and
            the sampled RoIs that further losses learn from.
        """
        batch, resized = self.transform(images, targets)
        features = {FEATURE_LEVEL: self.stem(batch.tensors)}
        proposals, rpn_losses = self.rpn(batch, features, resized)
        rois, matched, labels, regression = self.roi_heads.select_training_samples(proposals, resized)
        roi_features = self.roi_features(features, rois, batch.image_sizes)
        class_logits, box_regression = self.roi_heads.box_predictor(roi_features)
        roi_class, roi_box = fastrcnn_loss(class_logits.float(), box_regression.float(), labels, regression)
        losses = {
            "rpn_objectness": rpn_losses["loss_objectness"],
            "rpn_box": rpn_losses["loss_rpn_box_reg"],
            "roi_class": roi_class,
            "roi_box": roi_box,
        }
        person_ids = [_matched_ids(t["person_ids"], m) for t, m in zip(targets, matched, strict=True)]
        return losses, SampledRois(roi_features, torch.cat(labels), torch.cat(person_ids))

    @torch.no_grad()
    def detect(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        """Find people.

        Args:
            images: `[3, H, W]` float in 0..1, one an image.

        Returns:
            For each image `boxes` `[N, 4]` in its own pixels and `scores` `[N]`, by falling score.
        """
        batch, features = self.scene_features(images)
        return self.detect_in(batch, features, [(image.shape[-2], image.shape[-1]) for image in images])

    def scene_features(self, images: list[Tensor]) -> tuple[ImageList, dict[str, Tensor]]:
        """Resize, normalise and batch the images and run the stem: `[B, C, H/16, W/16]`."""
        batch, _ = self.transform(images)
        return batch, {FEATURE_LEVEL: self.stem(batch.tensors)}

    def detect_in(
        self, batch: ImageList, features: dict[str, Tensor], image_sizes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """Find people in features that are already there; boxes come back in pixels of `image_sizes`."""
        proposals, _ = self.rpn(batch, features)
        roi_features = self.roi_features(features, proposals, batch.image_sizes)
        class_logits, box_regression = self.roi_heads.box_predictor(roi_features)
        boxes, scores, _ = self.roi_heads.postprocess_detections(
            class_logits.float(), box_regression.float(), proposals, batch.image_sizes
        )
        return [
            {"boxes": resize_boxes(found, list(resized), list(original)), "scores": score}
            for found, score, resized, original in zip(
                boxes, scores, batch.image_sizes, image_sizes, strict=True
            )
        ]

    def roi_features(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool boxes (in resized pixels) and run the tail: `[R, C]`."""
        pooled = self.roi_heads.box_roi_pool(features, boxes, image_sizes)
        result: Tensor = self.roi_heads.box_head(pooled)
        return result


def _region_proposal_network(options: RegionProposalOptions, channels: int) -> RegionProposalNetwork:
    anchors = AnchorGenerator((tuple(options.anchor_sizes),), (tuple(options.aspect_ratios),))
    head = RPNHead(channels, anchors.num_anchors_per_location()[0])
    head.register_forward_hook(_in_float32)
    return RegionProposalNetwork(
        anchors,
        head,
        fg_iou_thresh=options.foreground_iou,
        bg_iou_thresh=options.background_iou,
        batch_size_per_image=options.sampled_anchors,
        positive_fraction=options.positive_fraction,
        pre_nms_top_n={"training": options.pre_nms_train, "testing": options.pre_nms_test},
        post_nms_top_n={"training": options.post_nms_train, "testing": options.post_nms_test},
        nms_thresh=options.nms_threshold,
    )


def _in_float32(_head: nn.Module, _features: object, output: tuple[list[Tensor], ...]) -> object:
    """Let boxes be computed in float32: in bfloat16, torchvision would round them to 2 pixels in 512."""
    return tuple([level.float() for level in levels] for levels in output)


def _matched_ids(person_ids: Tensor, matched: Tensor) -> Tensor:
    """Return the id of each RoI's match; in an image without people there is nothing to match."""
    if person_ids.numel() == 0:
        return torch.full_like(matched, UNLABELLED)
    return person_ids[matched]
