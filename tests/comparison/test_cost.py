"""What a network costs, from its settings alone."""

import torch

from pipeline.models.person_search import PersonSearchNetwork
from pipeline.reporting.comparison.cost import network_cost
from tests.tiny import search_options


def test_parameters_are_those_of_the_network():
    options = search_options()
    expected = sum(parameter.numel() for parameter in PersonSearchNetwork(options).parameters())
    assert network_cost(options).parameters == expected


def test_it_is_no_matter_of_chance():
    options = search_options()
    torch.manual_seed(0)
    first = network_cost(options)
    torch.manual_seed(1)
    assert network_cost(options) == first


def test_pretrained_weights_need_not_be_there():
    options = search_options()
    plain = options.backbone.model_copy(update={"name": "mobilenet_v2", "width": 1.0})
    pretrained = plain.model_copy(update={"weights": "nowhere/weights.safetensors"})
    first, second = (options.model_copy(update={"backbone": own}) for own in (plain, pretrained))
    assert network_cost(first) == network_cost(second)
    assert network_cost(first) != network_cost(options)


def test_more_boxes_cost_as_much_each():
    """The operations grow with the number of RoIs by the same amount, and a larger scene costs more."""

    def flops(detections, **size):
        options = search_options()
        roi = options.roi.model_copy(update={"detections_per_image": detections})
        return network_cost(options.model_copy(update={"roi": roi, **size})).flops

    assert flops(20) - flops(10) == flops(30) - flops(20) > 0
    assert flops(10, short_side=192, long_side=256) > flops(10)
