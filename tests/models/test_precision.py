"""Mixed precision: boxes stay float32, and losses are those of float32 but for rounding."""

import copy

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss

from pipeline.models.detector import SampledRois, roi_losses
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.region_proposals import Anchors
from tests.models.test_person_search import image, target
from tests.tiny import backbone, search_options

EVERYTHING = 10_000
"""More than there are: nothing is sampled, and losses depend on no chance."""
NORMALISATIONS = ("batch", "frozen_batch")


def network_of(normalisation):
    options = search_options(backbone=backbone(normalisation))
    rpn = options.rpn.model_copy(update={"sampled_anchors": EVERYTHING, "pre_nms_train": EVERYTHING})
    roi = options.roi.model_copy(update={"sampled_rois": EVERYTHING})
    torch.manual_seed(0)
    return PersonSearchNetwork(options.model_copy(update={"rpn": rpn, "roi": roi})).train()


def step_of(network, precision, scale=1.0):
    """Losses and gradients of one step; `scale` is what a scaler multiplies the loss by."""
    network.zero_grad()
    torch.manual_seed(1)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        step = network.search_step([image(0), image(1)], [target([0, 1]), target([2])])
        total = sum(step.detection.losses.values()) + step.embeddings[:, :3].mean()
    (scale * total).backward()
    gradients = {name: p.grad / scale for name, p in network.named_parameters() if p.grad is not None}
    return step, {name: float(loss.detach()) for name, loss in step.detection.losses.items()}, gradients


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_a_step_in_half_precision_is_that_of_float32_but_for_rounding(normalisation, precision):
    network = network_of(normalisation)
    _, expected, gradients = step_of(copy.deepcopy(network), torch.float32)
    step, losses, rounded = step_of(network, precision, scale=128.0)
    assert step.detection.features.dtype == precision
    assert losses == pytest.approx(expected, rel=0.03)
    assert rounded.keys() == gradients.keys()
    assert all(gradient.isfinite().all() for gradient in rounded.values())
    for name in (
        "embedding.weight",
        "roi_heads.box_predictor.cls_score.weight",
        "rpn.head.cls_logits.weight",
    ):
        likeness = torch.cosine_similarity(rounded[name].flatten(), gradients[name].flatten(), dim=0)
        assert likeness > 0.97, name


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_float16_learns_with_a_scaler(normalisation):
    network = network_of(normalisation)
    optimizer, scaler = torch.optim.SGD(network.parameters(), lr=0.01), torch.amp.GradScaler("cpu")
    totals = []
    for _ in range(6):
        with torch.autocast("cpu", torch.float16):
            step = network.search_step([image(0), image(1)], [target([0, 1]), target([2])])
        total = sum(step.detection.losses.values())
        scaler.scale(total).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        totals.append(float(total.detach()))
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    assert totals[-1] < totals[0]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_all_that_losses_are_made_of_is_float32(normalisation, precision):
    step, _, _ = step_of(network_of(normalisation), precision)
    anchors, rois = step.detection.anchors, step.detection.rois
    for tensor in (
        *(anchors.objectness, anchors.box_deltas, anchors.target_deltas),
        *(*rois.boxes, rois.class_logits, rois.box_deltas, rois.target_deltas),
        *(*step.detection.losses.values(), step.embeddings),
    ):
        assert tensor.dtype == torch.float32


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_anchors_are_the_same_in_any_precision(precision):
    images = ImageList(torch.zeros(2, 3, 608, 1008), [(600, 1000)] * 2)
    sizes, ratios = ((128, 256, 512),), ((0.5, 1.0, 2.0),)
    features = torch.zeros(2, 4, 38, 63)
    expected = AnchorGenerator(sizes, ratios)(images, [features])
    found = Anchors(sizes, ratios)(images, [features.to(precision)])
    assert found[0].dtype == torch.float32
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_torchvisions_anchors_would_be_off_in_bfloat16():
    images = ImageList(torch.zeros(1, 3, 608, 1008), [(600, 1000)])
    features = torch.zeros(1, 4, 38, 63)
    plain = AnchorGenerator(((128, 256, 512),), ((0.5, 1.0, 2.0),))
    (exact,), (rounded,) = plain(images, [features]), plain(images, [features.bfloat16()])
    assert (exact - rounded.float()).abs().max() >= 2


def test_boxes_in_half_precision_are_refused():
    rounded = target([0, 1])
    rounded["boxes"] = rounded["boxes"].bfloat16()
    with pytest.raises(AssertionError, match=r"boxes are torch\.bfloat16; losses need float32"):
        network_of("batch").search_step([image()], [rounded])


@pytest.mark.parametrize("part", ["class_logits", "box_deltas", "target_deltas"])
def test_rois_in_half_precision_are_refused(part):
    rois = sampled_rois(5)
    with pytest.raises(AssertionError, match="losses need float32"):
        roi_losses(rois._replace(**{part: getattr(rois, part).bfloat16()}), 1.0)


def sampled_rois(count):
    generator = torch.Generator().manual_seed(count)
    logits, deltas, targets = (torch.randn(count, size, generator=generator) for size in (2, 4, 4))
    labels = torch.randint(2, (count,), generator=generator)
    return SampledRois([], logits, logits.requires_grad_(), deltas.requires_grad_(), labels, targets, labels)


@pytest.mark.parametrize("count", [1, 7, 50])
def test_roi_losses_are_torchvisions_to_the_bit(count):
    rois = sampled_rois(count)
    both = torch.cat([torch.zeros(count, 4), rois.box_deltas], dim=1)
    expected = fastrcnn_loss(rois.class_logits, both, [rois.labels], [rois.target_deltas])
    losses = roi_losses(rois, 1 / 9)
    assert all(torch.equal(*pair) for pair in zip(losses, expected, strict=True))
    inputs = (rois.class_logits, rois.box_deltas)
    gradients = torch.autograd.grad(sum(losses), inputs), torch.autograd.grad(sum(expected), inputs)
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_roi_losses_of_no_roi_are_zero():
    class_loss, box_loss = roi_losses(sampled_rois(0), 1.0)
    (class_loss + box_loss).backward()
    assert float(class_loss.detach()) == float(box_loss.detach()) == 0.0
