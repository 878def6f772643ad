"""Heavy layers in float16. Everything else of a search stays in float32."""

from torch import Tensor, nn

from pipeline.models.backbones import STRIDE
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.seqnet import SeqNet


class InHalf(nn.Module):
    """A module that computes in float16 and is given and gives float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.half()

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 to float32."""
        result: Tensor = self.module(features.half())
        return result.float()


def halve(network: PersonSearchNetwork) -> None:
    """Let the stem, the RPN's first layer and the tails compute in float16.

    What is made of their results stays in float32: boxes, scores, suppression, RoIAlign and embeddings.
    """
    if network.options.roi.stride == STRIDE:
        network.stem = nn.Sequential(InHalf(network.stem))
    else:  # some of its parts run on RoIs, too
        network.stem = nn.Sequential(*map(InHalf, network.stem))
    network.rpn.head.conv = InHalf(network.rpn.head.conv)
    heads = [network.roi_heads.box_head]
    if isinstance(network, SeqNet):
        heads.append(network.second_tail)
    for head in heads:
        head[0] = InHalf(head[0])
