"""RoIAlign on one level of a stem's features."""

from torch import Tensor, nn
from torchvision.ops import roi_align


class RoiPooling(nn.Module):
    """What torchvision's `MultiScaleRoIAlign` does with one level, at its stride.

    torchvision's takes the stride from the first images that it sees, and keeps it. Where these are so narrow
    that few cells of features are left, it takes a cell for half its size, and pools all later images wrong.

    Args:
        level: name of the features.
        stride: pixels of an image in a cell of these, along each side.
        output_size: (height, width) of what is pooled, in bins.
        sampling_ratio: points that are taken in a bin, along each side; 0 for as many as the bin has cells.
    """

    def __init__(self, level: str, stride: int, output_size: tuple[int, int], sampling_ratio: int) -> None:
        super().__init__()
        self.level = level
        self.stride = stride
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio

    def forward(
        self,
        features: dict[str, Tensor],
        boxes: list[Tensor],
        image_sizes: list[tuple[int, int]],  # noqa: ARG002 (torchvision's RoIHeads hands it on)
    ) -> Tensor:
        """Pool boxes, by image `[R_i, 4]` in pixels of the resized image: `[R, C, height, width]`."""
        pooled: Tensor = roi_align(
            features[self.level], boxes, self.output_size, 1 / self.stride, self.sampling_ratio
        )
        return pooled
