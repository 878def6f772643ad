"""What a detector is built from: everything that a weight file states beside the weights."""

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.basics.options import Options
from pipeline.models.backbones import BackboneOptions


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
