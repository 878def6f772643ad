"""Layers as an exported graph needs them: the same numbers, fewer layers, and no rows as well as many."""

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops.misc import FrozenBatchNorm2d


def prepare_layers(network: nn.Module) -> None:
    """Replace layers of a network in evaluation mode.

    Batch normalisation right behind a convolution is folded into it. Modules are looked at in the order in
    which their parent holds them; in the pipeline's backbones it is the order in which they run.
    """
    for parent in list(network.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(before, nn.Conv2d) and isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d):
                _fold(before, child)
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.GroupNorm):
                setattr(parent, name, GroupNormalisation(child))
            before = child


class GroupNormalisation(nn.Module):
    """Group normalisation that takes no rows, too: what PyTorch's becomes in ONNX cannot.

    It computes in float32, whatever it is given: sums over a picture do not fit float16.
    """

    def __init__(self, layer: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        self.groups, self.eps = layer.num_groups, layer.eps

    def forward(self, features: Tensor) -> Tensor:
        """Normalise `[N, C, H, W]`; the type stays."""
        rows, channels, height, width = features.shape
        grouped = features.float().reshape(rows, self.groups, channels // self.groups, height, width)
        centred = grouped - grouped.mean(dim=(2, 3, 4), keepdim=True)
        variance = centred.square().mean(dim=(2, 3, 4), keepdim=True)
        normalised = (centred * (variance + self.eps).rsqrt()).reshape(rows, channels, height, width)
        scaled = normalised * self.weight.float()[:, None, None] + self.bias.float()[:, None, None]
        return scaled.to(features.dtype)


def _fold(convolution: nn.Conv2d, normalisation: nn.BatchNorm2d | FrozenBatchNorm2d) -> None:
    """Give a convolution the weights that do both."""
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None and variance is not None, "it has no statistics of its own"
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        mean,
        variance,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
    )
