"""torchvision's plain Faster R-CNN with a student's parts: what the students' costs are compared with."""

import time
from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import Conv2dNormActivation, MultiScaleRoIAlign

from benchmarks.training import wait_for_device
from pipeline.batches.loading import SceneBatch
from pipeline.models.backbones import build_backbone
from pipeline.models.detector import BACKGROUND_AND_PERSON, DetectorOptions
from pipeline.training.engine.optimisation import build_optimizer
from pipeline.training.student.options import StudentOptions

SIZE_DIVISOR = 16
"""Padded pictures have sides that it divides, as a student's; torchvision's default is 32."""


class TimedTorchvision:
    """torchvision's network in training. Of ours it has backbone, normalisation and optimiser.

    Pictures, anchors, proposals, samples, RoIAlign and the width of the RPN are the student's.

    Args:
        options: the student's.
        fabric: where it trains.
    """

    def __init__(self, options: StudentOptions, fabric: Fabric) -> None:
        self.options, self.fabric = options, fabric
        self.network = plain_detector(options.network).to(fabric.device).train()
        self._optimizer = build_optimizer([self.network], options.training)

    def step(self, *batches: SceneBatch) -> float:
        """Take one step along the mean gradient of batches; return its seconds."""
        torch.manual_seed(0)
        start = time.perf_counter()
        for batch in batches:
            images, targets = self.fabric.to_device(batch)
            with self.fabric.autocast():
                losses: Mapping[str, Tensor] = self.network(images, targets)
            (torch.stack(list(losses.values())).sum() / len(batches)).backward()  # type: ignore[no-untyped-call]
        if self.options.training.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.options.training.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        wait_for_device(self.fabric.device)
        return time.perf_counter() - start


def plain_detector(options: DetectorOptions) -> FasterRCNN:
    """Build torchvision's Faster R-CNN of the parts that options describe."""
    parts, rpn, roi = build_backbone(options.backbone), options.rpn, options.roi
    parts.stem.out_channels = parts.stem_channels  # type: ignore[assignment]
    anchors = AnchorGenerator((tuple(rpn.anchor_sizes),), (tuple(rpn.aspect_ratios),))
    network = FasterRCNN(
        parts.stem,
        min_size=options.short_side,
        max_size=options.long_side,
        size_divisible=SIZE_DIVISOR,
        rpn_anchor_generator=anchors,
        rpn_head=_rpn_head(parts.stem_channels, rpn.width, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=rpn.pre_nms_train,
        rpn_post_nms_top_n_train=rpn.post_nms_train,
        rpn_nms_thresh=rpn.nms_threshold,
        rpn_fg_iou_thresh=rpn.foreground_iou,
        rpn_bg_iou_thresh=rpn.background_iou,
        rpn_batch_size_per_image=rpn.sampled_anchors,
        rpn_positive_fraction=rpn.positive_fraction,
        box_roi_pool=MultiScaleRoIAlign(
            ["0"], (roi.pooled_height, roi.pooled_width), sampling_ratio=roi.sampling_ratio
        ),
        box_head=nn.Sequential(parts.tail, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        box_predictor=FastRCNNPredictor(parts.tail_channels, BACKGROUND_AND_PERSON),
        box_fg_iou_thresh=roi.foreground_iou,
        box_bg_iou_thresh=roi.foreground_iou,
        box_batch_size_per_image=roi.sampled_rois,
        box_positive_fraction=roi.positive_fraction,
    )
    network.rpn.min_size = rpn.min_size
    return network


def _rpn_head(channels: int, width: int | None, anchors: int) -> RPNHead:
    """Return torchvision's head; where it is to be narrower or wider than the features, with another conv."""
    head = RPNHead(width or channels, anchors)
    if width not in (None, channels):
        head.conv = nn.Sequential(Conv2dNormActivation(channels, width, kernel_size=3, norm_layer=None))
    return head
