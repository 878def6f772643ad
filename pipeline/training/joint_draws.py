"""Anchors, RoIs and padding of a detector that several devices train together: those of one device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

from pipeline.models.detector import Detector
from pipeline.training.engine.joint import gather_rows, lengths_of, ranks


@contextmanager
def sharing_draws(network: nn.Module) -> Iterator[None]:
    """Let a detector sample anchors and RoIs, and pad images, as one device would that has all images.

    With one device nothing is changed. It is undone at the end: inference shares nothing.
    """
    parts = network.modules() if ranks() > 1 else ()
    detectors = [part for part in parts if isinstance(part, Detector)]
    before: list[tuple[Any, Any]] = []
    for detector in detectors:
        detector.transform.torch_choice = _first
        detector.transform.max_by_axis = partial(_joint_size, next(detector.parameters()).device)
        for sampling in (detector.rpn, detector.roi_heads):
            before.append((sampling, sampling.fg_bg_sampler))
            sampling.fg_bg_sampler = JointSampler(sampling.fg_bg_sampler)
    try:
        yield
    finally:
        for detector in detectors:
            del detector.transform.torch_choice, detector.transform.max_by_axis
        for sampling, sampler in before:
            sampling.fg_bg_sampler = sampler


class JointSampler(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """Draws for this device's images what one device would draw that has the images of all.

    All devices have the same random state. Each draws for every image of the joint batch, in order, keeps the
    draws for its own, and so has the same state as the others afterwards.
    """

    def __init__(self, sampler: BalancedPositiveNegativeSampler) -> None:
        super().__init__(sampler.batch_size_per_image, sampler.positive_fraction)

    def __call__(self, matched: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Draw from anchors or RoIs, one an image: 1 or more is a person, 0 background, -1 is left out."""
        own = torch.stack([torch.stack([(labels >= 1).sum(), (labels == 0).sum()]) for labels in matched])
        first = sum(lengths_of(own)[: distributed.get_rank()])
        positives, negatives = [], []
        for image, counts in enumerate(gather_rows(own).tolist()):
            if first <= image < first + len(matched):
                positive, negative = super().__call__([matched[image - first]])
                positives += positive
                negatives += negative
            else:
                for count in counts:
                    torch.randperm(count, device=own.device)
        return positives, negatives


def _first(sizes: Sequence[int]) -> int:
    """Return the one size that images are resized to, without torchvision's draw; see `_joint_size`."""
    return sizes[0]


def _joint_size(device: torch.device, sizes: list[list[int]]) -> list[int]:
    """Return the largest of `[3, H, W]` over all images of all devices.

    torchvision draws a size for each image, though there is but one. That draw is made up for here, so that
    the random state afterwards is that of one device.
    """
    joint = gather_rows(torch.tensor(sizes, device=device))
    for _image in joint:
        torch.empty(1).uniform_()
    return [int(size) for size in joint.amax(dim=0).tolist()]
