"""Options that bring a network to what a paper has: what each does; every backbone trains with it."""

import itertools

import pytest
import torch
from torch.nn import functional

from pipeline.models.backbones import BackboneOptions
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.region_proposals import RegionProposals
from tests.models.test_person_search import image, target
from tests.tiny import search_options

OF_BACKBONE = {
    "as before": {},
    "trained tail": {"normalisation": "frozen_batch", "tail_normalisation": "batch", "frozen_stages": 1},
    "cut within conv4": {"cut": "within_conv4"},
}
OF_RPN = {"RPN width": {"width": 48}, "proposals": {"min_size": 16.0}}
OF_ROI = {"box loss": {"box_beta": 1.0}, "RoIAlign": {"sampling_ratio": 2}, "adaptive": {"sampling_ratio": 0}}


def options(name="tiny", backbone=None, rpn=None, roi=None):
    plain = search_options(
        backbone=BackboneOptions(name=name, **(backbone or {})), short_side=64, long_side=96
    )
    return plain.model_copy(
        update={
            "rpn": plain.rpn.model_copy(update=rpn or {}),
            "roi": plain.roi.model_copy(update=roi or {}),
        }
    )


def step_of(settings, seed=0):
    torch.manual_seed(seed)
    network = PersonSearchNetwork(settings).train()
    return network, network.search_step([image(0), image(1)], [target([0, 1]), target([2])])


def check_trains(settings):
    network, step = step_of(settings)
    (sum(step.detection.losses.values()) + step.embeddings.sum()).backward()
    assert all(torch.isfinite(loss) for loss in step.detection.losses.values())
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learning.values())
    return network


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *itertools.product(("resnet18", "resnet50"), OF_BACKBONE),
        *itertools.product(("mobilenet_v2",), ("as before", "trained tail")),
    ],
)
def test_every_backbone_trains_with_each_option(name, option):
    check_trains(options(name, OF_BACKBONE[option]))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_every_backbone_trains_with_all_options_of_the_heads(name):
    network = check_trains(
        options(
            name,
            OF_BACKBONE["trained tail"],
            rpn=OF_RPN["RPN width"] | OF_RPN["proposals"],
            roi=OF_ROI["box loss"] | OF_ROI["RoIAlign"],
        )
    )
    (found,) = network.eval().detect([image()])
    assert found["boxes"].shape == (len(found["scores"]), 4)


@pytest.mark.parametrize("option", [*OF_RPN, *OF_ROI])
def test_each_option_of_the_heads_trains_alone(option):
    check_trains(options(rpn=OF_RPN.get(option), roi=OF_ROI.get(option)))


def test_only_the_tails_statistics_move_where_only_it_is_trained():
    settings = options("resnet18", OF_BACKBONE["trained tail"])
    torch.manual_seed(0)
    before = PersonSearchNetwork(settings).state_dict()
    network, _ = step_of(settings)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("roi_heads.box_head") for name in moved)


@pytest.mark.parametrize("width", [None, 32, 48])
def test_width_of_the_rpn(width):
    """32 is what the stem has: the same network as without a width, from the same random numbers."""
    settings = options(rpn={"width": width}).rpn
    torch.manual_seed(0)
    head = RegionProposals(settings, 32).head
    assert head.conv[0][0].weight.shape == (width or 32, 32, 3, 3)
    assert head.cls_logits.weight.shape[1] == head.bbox_pred.weight.shape[1] == (width or 32)
    assert float(head.conv[0][0].weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    torch.manual_seed(0)
    plain = RegionProposals(options().rpn, 32).head
    if width != 48:
        assert all(torch.equal(value, plain.state_dict()[name]) for name, value in head.state_dict().items())


@pytest.mark.parametrize("least", [1e-3, 16.0, 20.0])
def test_no_proposal_is_smaller_than_the_least(least):
    torch.manual_seed(0)
    network = PersonSearchNetwork(options(rpn={"min_size": least})).eval()
    batch, features = network.scene_features([image()])
    proposals, _ = network.rpn(batch, features)
    sides = proposals[0][:, 2:] - proposals[0][:, :2]
    assert len(sides) > 0
    assert (sides >= least).all()
    assert least > 1 or (sides < 16).any()


def test_an_image_without_people_and_proposals_has_losses_of_zero():
    torch.manual_seed(0)
    network = PersonSearchNetwork(options(rpn={"min_size": 1000.0})).train()
    losses = network.search_step([image()], [target([])]).detection.losses
    assert float(losses["roi_class"].detach()) == float(losses["roi_box"].detach()) == 0.0


@pytest.mark.parametrize("beta", [1 / 9, 0.5, 1.0])
def test_where_the_box_loss_of_rois_turns_linear(beta):
    _, step = step_of(options(roi={"box_beta": beta}))
    rois = step.detection.rois
    people = rois.labels == 1
    assert people.any()
    off = (rois.box_deltas - rois.target_deltas)[people].abs()
    expected = torch.where(off < beta, off.square() / (2 * beta), off - beta / 2).sum() / len(rois.labels)
    torch.testing.assert_close(step.detection.losses["roi_box"], expected)


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_points_of_roi_align_are_those_of_a_finer_grid(ratio):
    """The mean of `ratio` points a bin and direction is the pooled mean of as many bins of one point each."""
    settings = options(roi={"sampling_ratio": ratio})
    height, width = settings.roi.pooled_height, settings.roi.pooled_width
    finer = options(roi={"pooled_height": ratio * height, "pooled_width": ratio * width})
    features = {"0": torch.rand(1, 4, 6, 8, generator=torch.Generator().manual_seed(0))}
    boxes, sizes = [torch.tensor([[8.0, 9.0, 70.0, 80.0], [30.0, 20.0, 60.0, 60.0]])], [(96, 128)]
    pooled, points = (
        PersonSearchNetwork(own).roi_heads.box_roi_pool(features, boxes, sizes) for own in (settings, finer)
    )
    torch.testing.assert_close(pooled, functional.avg_pool2d(points, ratio))
