"""What a student's network costs to run, from its settings alone: its weights do not matter."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from pipeline.inference.cost import count_parameters, flops_an_image
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions


class Cost(NamedTuple):
    """How many weights a network has, and the floating-point operations of a scene (see `network_cost`)."""

    parameters: int
    flops: float


def network_cost(options: PersonSearchOptions) -> Cost:
    """Return what a student costs to run, over the scene of `full_scene`.

    Pretrained weights are not read, so that they need not be there.
    """
    backbone = options.backbone.model_copy(update={"weights": "none"})
    network = build_student(options.model_copy(update={"backbone": backbone})).eval()
    run = full_scene(network)
    return Cost(count_parameters(network), flops_an_image(lambda _scene: run(), 1))


def full_scene(network: PersonSearchNetwork) -> Callable[[], None]:
    """Return what runs a network over a full scene, with all proposals and detections that it may have.

    So the cost does not depend on how many people are found: it is an upper bound of a real scene's.

    Args:
        network: in evaluation mode.
    """
    height, width = network.options.short_side, network.options.long_side
    device = next(network.parameters()).device
    image = torch.zeros(3, height, width, device=device)
    everywhere = torch.tensor([0.0, 0.0, width, height], device=device)

    @torch.no_grad()
    def run() -> None:
        batch, features = network.scene_features([image])
        network.rpn(batch, features)
        network.run_heads(batch, features, everywhere)

    return run
