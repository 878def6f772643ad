"""The three modules through which a query guides a person-search network (QEEPS, Munjal et al., CVPR 2019).

The paper's body was not at hand: what the modules do is sourced, their layers are our reading; see
docs/method.md.
QSSE and QRPN start as if they were not there.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.basics.options import Options
from pipeline.models.normalisation import RowNormalisation

FIRST_WEIGHTS = 0.01
"""Standard deviation of the first weights of the query-guided RPN: that of torchvision's RPN."""


class GuidanceOptions(Options):
    """What a query guides.

    Attributes:
        squeeze: whether the two scenes re-weight each other's channels after each stage of the stem (QSSE).
        proposals: whether the query's features rank the proposals (QRPN).
        similarity: what compares two embeddings: a `subnet` that learns to (QSimNet), or the `cosine`.
        reduction: how many times narrower the layer between the two of an excitation is, in QSSE and QRPN;
            16 in squeeze-and-excitation.
    """

    squeeze: bool = True
    proposals: bool = True
    similarity: Literal["subnet", "cosine"] = "subnet"
    reduction: int = Field(default=16, gt=0)


class Excitation(nn.Module):
    """The two layers of squeeze-and-excitation: from a description to weights of channels, 0..2, at first 1.

    Args:
        inputs: C_in, size of a description.
        channels: C, number of weights.
        reduction: the layer between has `C_in / reduction` values, at least 1.
    """

    def __init__(self, inputs: int, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(inputs, max(1, inputs // reduction))
        self.excite = nn.Linear(self.squeeze.out_features, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, descriptions: Tensor) -> Tensor:
        """Map descriptions `[B, C_in]` to weights `[B, C, 1, 1]`."""
        weights: Tensor = 2 * torch.sigmoid(self.excite(torch.relu(self.squeeze(descriptions))))
        return weights[:, :, None, None]


class SiameseExcitation(nn.Module):
    """QSSE: the channel means of a query scene and a gallery scene give one set of weights for both."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.excitation = Excitation(2 * channels, channels, reduction)

    def forward(self, query_means: Tensor, gallery_means: Tensor) -> Tensor:
        """Map channel means `[B, C]` of both scenes to weights `[B, C, 1, 1]`."""
        weights: Tensor = self.excitation(torch.cat([query_means, gallery_means], dim=1))
        return weights


class QueryProposals(nn.Module):
    """QRPN: objectness of a scene's anchors in view of a query.

    The query's features weight the scene's channels. The layers after that are those of an RPN's objectness.
    """

    def __init__(self, channels: int, anchors: int, reduction: int) -> None:
        super().__init__()
        self.excitation = Excitation(channels, channels, reduction)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        for name, values in self.named_parameters():
            if name.startswith(("conv", "objectness")):
                nn.init.normal_(values, std=FIRST_WEIGHTS) if values.ndim > 1 else nn.init.zeros_(values)

    def forward(self, queries: Tensor, features: Tensor) -> Tensor:
        """Map queries `[B, C]` and scenes' features `[B, C, H, W]` to logits `[B, A, H, W]`, in float32."""
        hidden = torch.relu(self.conv(features * self.excitation(queries)))
        logits: Tensor = self.objectness(hidden).float()
        return logits


class SimilaritySubnet(nn.Module):
    """QSimNet: whether two embeddings are of the same person, from their squared difference."""

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.normalisation = RowNormalisation(embedding_dim)
        self.same = nn.Linear(embedding_dim, 1)

    def forward(self, queries: Tensor, embeddings: Tensor) -> Tensor:
        """Map unit embeddings `[N, D]` of queries and of people to logits `[N]` of "same", in float32."""
        logits: Tensor = self.same(self.normalisation((queries - embeddings) ** 2)).float()
        return logits[:, 0]
