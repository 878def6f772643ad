"""Batch normalisation folded into the convolution before it: fewer layers, and the same numbers."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops.misc import FrozenBatchNorm2d


def fold_batch_normalisation(network: nn.Module) -> None:
    """Fold each batch normalisation of a network in evaluation mode that stands right behind a convolution.

    Modules are looked at in the order in which their parent holds them; in the pipeline's backbones it is the
    order in which they run.
    """
    for parent in list(network.modules()):
        before: nn.Module | None = None
        for name, child in list(parent.named_children()):
            if isinstance(before, nn.Conv2d) and isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d):
                _fold(before, child)
                setattr(parent, name, nn.Identity())
            before = child


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
