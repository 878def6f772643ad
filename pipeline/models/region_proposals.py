"""The region proposal network (RPN). It keeps the anchors that a training step sampled, for distillation."""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import (
    RegionProposalNetwork,
    RPNHead,
    concat_box_prediction_layers,
)
from torchvision.ops import Conv2dNormActivation

from pipeline.basics.options import Options, added_field
from pipeline.batches.ground_truth import IGNORED, Target
from pipeline.models.backbones import FEATURE_LEVEL
from pipeline.models.ignored_boxes import on_ignored

SMOOTH_L1_BETA = 1 / 9
"""Where the box loss turns from square to linear, as in Faster R-CNN and torchvision."""
SMALLEST_PROPOSAL = 1e-3
"""Pixels; torchvision's."""
FIRST_WEIGHTS = 0.01
"""Standard deviation of the first weights; torchvision's."""

NEITHER = -1
"""torchvision's label of an anchor that is not sampled."""


class RegionProposalOptions(Options):
    """Settings of the RPN's anchors, sampling and proposals. `width` and `min_size` default to
    torchvision's values, all others to those of OIM's code.

    Attributes:
        width: channels between its two layers; None for as many as the stem has (torchvision). OIM has 512.
        min_size: shortest side of a proposal, in pixels of the resized image. OIM has 16.
    """

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
    width: PositiveInt | None = added_field(None)
    min_size: PositiveFloat = added_field(SMALLEST_PROPOSAL)


class SampledAnchors(NamedTuple):
    """The anchors that a training step learns from, positives first.

    Attributes:
        indices: `[A]` places among all anchors of the batch, image by image.
        objectness: `[A]` logits.
        box_deltas: `[A, 4]` encoded boxes.
        labels: `[A]` 1 for a person, 0 for background.
        target_deltas: `[A, 4]` the ground truth, encoded; it says nothing where `labels` is 0.

    All but `indices` are float32, whatever the network computes in.
    """

    indices: Tensor
    objectness: Tensor
    box_deltas: Tensor
    labels: Tensor
    target_deltas: Tensor


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchors, always in float32: in bfloat16 they would be off by up to 3 pixels."""

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:  # noqa: ARG002
        """Move the anchors of a cell to a device; `dtype`, the features', is not taken."""
        super().set_cell_anchors(torch.float32, device)


class RegionProposals(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's RPN on one feature level. The losses are the same; the sampled anchors are kept."""

    def __init__(self, options: RegionProposalOptions, channels: int) -> None:
        anchors = Anchors((tuple(options.anchor_sizes),), (tuple(options.aspect_ratios),))
        head = _head(channels, options.width or channels, anchors.num_anchors_per_location()[0])
        head.register_forward_hook(_in_float32)
        super().__init__(
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
        self.min_size = options.min_size
        self._sampled: SampledAnchors | None = None
        self._guidance: Tensor | None = None
        self._sizes: list[tuple[int, int]] = []

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        targets: list[Target] | None = None,
        guidance: Tensor | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the proposals, by image `[N, 4]` in pixels of the resized image, and the losses.

        Args:
            images: the resized batch.
            features: the stem's, by level; those at its end are taken.
            targets: ground truth; only a training needs it.
            guidance: `[B, A, H, W]` added to the objectness logits when proposals are ranked; the losses do
                not see it. None for nothing.
        """
        self._guidance, self._sizes = guidance, images.image_sizes
        proposals, losses = super().forward(images, {FEATURE_LEVEL: features[FEATURE_LEVEL]}, targets)
        return proposals, losses

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Choose the proposals as torchvision's method does, by objectness and guidance together."""
        if self._guidance is not None:
            objectness = objectness + anchor_rows(self._guidance)[:, None]
            self._guidance = None
        kept, scores = super().filter_proposals(proposals, objectness, image_shapes, num_anchors_per_level)
        return kept, scores

    def matched_anchors(
        self, images: ImageList, features: dict[str, Tensor], targets: list[Target]
    ) -> tuple[Tensor, Tensor]:
        """Sample anchors for a loss: places `[A]` among all of the batch, positives first, and labels `[A]`.

        Args:
            images: the resized batch.
            features: the stem's, by level; those at its end are taken.
            targets: an anchor is positive (1) by its overlap with their boxes, and else background (0).
        """
        anchors = self.anchor_generator(images, [features[FEATURE_LEVEL]])
        self._sizes = images.image_sizes
        labels, _ = self.assign_targets_to_anchors(anchors, targets)
        positives, negatives = (torch.where(torch.cat(masks))[0] for masks in self.fg_bg_sampler(labels))
        indices = torch.cat([positives, negatives])
        return indices, torch.cat(labels)[indices]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label anchors as torchvision's method does: 1 a person, 0 background, -1 neither.

        An anchor that is not positive and lies on an ignored box is neither, and is not sampled.
        """
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        threshold = self.proposal_matcher.low_threshold
        for own, boxes, target, size in zip(labels, anchors, targets, self._sizes, strict=True):
            if IGNORED in target:
                own[(own < 1) & on_ignored(boxes, target, threshold, size)] = NEITHER
        return labels, matched

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Sample anchors and return the objectness and the box loss, as torchvision's method does."""
        positives, negatives = (torch.where(torch.cat(masks))[0] for masks in self.fg_bg_sampler(labels))
        indices = torch.cat([positives, negatives])
        self._sampled = sampled = SampledAnchors(
            indices,
            objectness.flatten()[indices],
            pred_bbox_deltas[indices],
            torch.cat(labels)[indices],
            torch.cat(regression_targets)[indices],
        )
        check_float32(targets=sampled.target_deltas, objectness=sampled.objectness, deltas=sampled.box_deltas)
        if not len(indices):  # ignored boxes cover all images
            return sampled.objectness.sum(), sampled.box_deltas.sum()
        box_loss = functional.smooth_l1_loss(
            sampled.box_deltas[: len(positives)],
            sampled.target_deltas[: len(positives)],
            beta=SMOOTH_L1_BETA,
            reduction="sum",
        )
        objectness_loss = functional.binary_cross_entropy_with_logits(sampled.objectness, sampled.labels)
        return objectness_loss, box_loss / len(indices)

    def sampled_anchors(self) -> SampledAnchors:
        """Return the anchors that the last training step sampled, and forget them."""
        sampled, self._sampled = self._sampled, None
        assert sampled is not None, "only a training step samples anchors"
        return sampled

    def judge(self, features: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network says of given anchors: objectness logits `[A]`, box deltas `[A, 4]`.

        Args:
            features: `[B, C, H, W]` the stem's output.
            indices: `[A]` places among all anchors of the batch, image by image.
        """
        objectness, deltas = self.head([features])
        flat_objectness, flat_deltas = concat_box_prediction_layers(objectness, deltas)
        return flat_objectness.flatten()[indices], flat_deltas[indices]


def anchor_rows(logits: Tensor) -> Tensor:
    """Return logits `[B, A, H, W]` in the order of anchors, image by image: `[B H W A]`."""
    return logits.permute(0, 2, 3, 1).flatten()


def check_float32(**tensors: Tensor) -> None:
    """Assert that what a loss is computed from is float32, which no mixed precision may change.

    In bfloat16 a box is off by up to 3 pixels at the size of the papers' images.
    """
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float32, f"{name} are {tensor.dtype}; losses need float32"


def _head(channels: int, width: int, anchors: int) -> RPNHead:
    """Return torchvision's head for features of `channels`, with `width` channels between its layers."""
    head = RPNHead(width, anchors)
    if width != channels:
        head.conv = nn.Sequential(Conv2dNormActivation(channels, width, kernel_size=3, norm_layer=None))
        nn.init.normal_(head.conv[0][0].weight, std=FIRST_WEIGHTS)
        nn.init.zeros_(head.conv[0][0].bias)
    return head


def _in_float32(_head: nn.Module, _features: object, output: tuple[list[Tensor], ...]) -> object:
    """Let boxes be computed in float32: in bfloat16, torchvision would round them to 2 pixels in 512."""
    return tuple([level.float() for level in levels] for levels in output)
