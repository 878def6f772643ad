"""The re-identification model: one crop in, one unit embedding out. The re-ID teacher is one of these."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.backbones import IMAGENET_MEAN, IMAGENET_STD, NetworkOptions, build_backbone
from pipeline.models.weight_files import load_network


class ReidOptions(NetworkOptions):
    """The architecture of a re-ID model.

    Attributes:
        last_stride: of the tail; 1 keeps twice the resolution to the end ("Bag of tricks").
        embedding_dim: size of the embedding, the table's and so the student's too.
        crop_height: pixels that crops are resized to.
        crop_width: the same across.
    """

    last_stride: Literal[1, 2] = 1
    embedding_dim: int = Field(default=256, gt=0)
    crop_height: int = Field(default=256, gt=0)
    crop_width: int = Field(default=128, gt=0)


class ReidModel(nn.Module):
    """Backbone, global average pooling, a projection and a batch-normalised neck.

    The neck separates two spaces (Luo et al., "Bag of tricks", 2019): the triplet loss works before it, the
    classifier after it; what is compared at test time is the output of the neck, at unit length.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, options: ReidOptions) -> None:
        super().__init__()
        self.crop_height, self.crop_width = options.crop_height, options.crop_width
        backbone = build_backbone(options.backbone)
        if options.last_stride == 1:
            _keep_resolution(backbone.tail)
        self.backbone = nn.Sequential(backbone.stem, backbone.tail, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.projection = nn.Linear(backbone.tail_channels, options.embedding_dim, bias=False)
        self.neck = nn.BatchNorm1d(options.embedding_dim)
        # The classifier has no bias, so a bias of the neck would only shift all identities alike.
        self.neck.bias.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, path: Path) -> "ReidModel":
        """Load a model from its weight file; see `load_network`."""
        return load_network(path, "reid", ReidOptions, cls)

    def compile_backbone(self) -> None:
        """Let PyTorch compile the backbone at its first call."""
        self.backbone.compile()

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Embed crops.

        Args:
            crops: `[N, 3, h, w]` float in 0..1, of the model's crop size.

        Returns:
            The features before the neck `[N, D]`, and the unit embeddings after it `[N, D]`, float32.
        """
        features = self.projection(self.backbone((crops - self.mean) / self.std)).float()
        return features, functional.normalize(self.neck(features), dim=1)


def _keep_resolution(tail: nn.Module) -> None:
    """Take the strides out of a tail."""
    for module in tail.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
