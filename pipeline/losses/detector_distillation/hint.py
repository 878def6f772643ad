"""Feature distillation in a detector: a hint on the stem's output (Romero et al. 2015, Chen et al. 2017)."""

from torch import Tensor
from torch.nn import functional


def feature_hint(adapted: Tensor, teacher_features: Tensor) -> Tensor:
    """Return the mean squared difference of two feature maps.

    Chen et al., equation 5, divided by the number of elements (ours): the plain sum grows with the image.

    Args:
        adapted: `[B, C, H, W]` the student's features, brought to the teacher's channels by an adapter.
        teacher_features: `[B, C, H, W]`; gets no gradient.

    Returns:
        A scalar >= 0.
    """
    return functional.mse_loss(adapted, teacher_features.detach())
