"""What a student's network costs to run, from its settings alone: its weights do not matter."""

from typing import NamedTuple

import torch

from pipeline.inference.cost import count_parameters, flops_an_image
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchOptions


class Cost(NamedTuple):
    """How many weights a network has, and the floating-point operations of a scene (see `network_cost`)."""

    parameters: int
    flops: float


def network_cost(options: PersonSearchOptions) -> Cost:
    """Return what a student costs to run.

    The scene has the full size and as many proposals and detections as the settings allow, so that the cost
    does not depend on how many people are found: an upper bound of the cost of a real scene. Pretrained
    weights are not read, so that they need not be there.
    """
    backbone = options.backbone.model_copy(update={"weights": "none"})
    network = build_student(options.model_copy(update={"backbone": backbone})).eval()
    height, width = options.short_side, options.long_side
    image = torch.zeros(3, height, width)
    everywhere = torch.tensor([0.0, 0.0, width, height])

    def run(_scene: int) -> None:
        batch, features = network.scene_features([image])
        network.rpn(batch, features)
        network.run_heads(batch, features, everywhere)

    with torch.no_grad():
        return Cost(count_parameters(network), flops_an_image(run, 1))
