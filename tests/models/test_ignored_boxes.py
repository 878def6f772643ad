"""Ignored boxes: which anchors and proposals lie on one, and that no head learns these as background."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import clip_boxes_to_image

from pipeline.batches.ground_truth import IGNORED, QUERY
from pipeline.models.detector import Detector
from pipeline.models.heads import build_student
from pipeline.models.ignored_boxes import on_ignored
from pipeline.models.query_guidance import GuidanceOptions
from tests.models.test_person_search import image, target
from tests.tiny import HEIGHT, WIDTH, detector_options, search_options

EVERYTHING = torch.tensor([[0.0, 0.0, WIDTH, HEIGHT]])
NOBODY = {
    "boxes": torch.zeros(0, 4),
    "labels": torch.zeros(0, dtype=torch.int64),
    "person_ids": torch.zeros(0, dtype=torch.int64),
}


@st.composite
def boxes(draw, least=0):
    corner, side = st.integers(0, 40), st.integers(1, 40)
    made = draw(st.lists(st.tuples(corner, corner, side, side), min_size=least, max_size=6))
    return torch.tensor([[x, y, x + w, y + h] for x, y, w, h in made], dtype=torch.float32).reshape(-1, 4)


def plainly(box, ignored, threshold, size):
    """Whether one box lies on one of the ignored boxes, in plain numbers."""
    x1, y1, x2, y2 = box
    height, width = size
    shown = max(0.0, min(x2, width) - x1) * max(0.0, min(y2, height) - y1)
    for left, top, right, bottom in ignored:
        shared = max(0.0, min(x2, right) - max(x1, left)) * max(0.0, min(y2, bottom) - max(y1, top))
        own, other = (x2 - x1) * (y2 - y1), (right - left) * (bottom - top)
        if 0 < shared >= 0.5 * shown or shared / (own + other - shared) >= threshold:
            return True
    return False


@given(boxes(), boxes(), st.sampled_from([0.3, 0.5]), st.sampled_from([(200, 200), (50, 45)]))
@settings(max_examples=50, deadline=None)
def test_it_is_the_plain_rule(candidates, ignored, threshold, size):
    ignored = clip_boxes_to_image(ignored, size)
    wanted = [plainly(box, ignored.tolist(), threshold, size) for box in candidates.tolist()]
    assert on_ignored(candidates, {IGNORED: ignored}, threshold, size).tolist() == wanted


@pytest.mark.parametrize(
    ("box", "lies_on"),
    [
        ([110.0, 10, 120, 30], True),  # a small anchor within a crowd, IoU 0.005
        ([95.0, 10, 105, 30], True),  # half of it within
        ([94.0, 10, 104, 30], False),
        ([0.0, 0, 20, 40], True),  # the box that is unsure
        ([0.0, 0, 40, 60], True),  # three times as large: IoU 1/3, a third of its area
        ([0.0, 0, 45, 60], False),  # IoU below 0.3, less than half of it within
        ([60.0, 60, 80, 90], False),
    ],
)
def test_crowds_and_boxes_that_are_unsure(box, lies_on):
    ignored = torch.tensor([[100.0, 0, 300, 200], [0, 0, 20, 40]])
    assert on_ignored(torch.tensor([box]), {IGNORED: ignored}, 0.3).tolist() == [lies_on]


def test_nothing_lies_on_no_ignored_boxes():
    some = torch.rand(5, 4)
    assert not on_ignored(some, {}, 0.3).any()
    assert not on_ignored(some, {IGNORED: torch.zeros(0, 4)}, 0.3).any()
    assert on_ignored(some[:0], {IGNORED: EVERYTHING}, 0.3).shape == (0,)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return Detector(detector_options()).train()


def step_of(network, *targets):
    torch.manual_seed(1)
    return network.detection_step([image(seed) for seed in range(len(targets))], list(targets))


def test_the_rest_is_sampled_as_if_there_were_none(detector):
    """An ignored box in the corner of one scene, where no person is, takes away what lies on it alone."""
    ignored = torch.tensor([[90.0, 0.0, 128.0, 20.0]])
    batch = [image(0), image(1)]
    plain = [target([0, 1]), target([2])]
    marked = [plain[0] | {IGNORED: ignored}, plain[1]]
    anchors = detector.rpn.anchor_generator
    labels = []
    for truth in (plain, marked):
        images, resized = detector.resized(batch, truth)
        features = {"0": detector.stem(images.tensors)}
        detector.rpn(images, features, resized)
        places = anchors(images, list(features.values()))
        labels.append(detector.rpn.assign_targets_to_anchors(places, resized)[0])
    lies_on = on_ignored(places[0], resized[0], 0.3, images.image_sizes[0])
    assert 0 < lies_on.sum() < len(lies_on)
    assert torch.equal(labels[0][0][~lies_on], labels[1][0][~lies_on])
    assert torch.equal(labels[0][1], labels[1][1])
    assert not (labels[1][0][lies_on] == 0).any()
    assert torch.equal(labels[0][0] == 1, labels[1][0] == 1)


def test_ignored_boxes_are_resized_with_the_image(detector):
    large, boxes = image(0, 2 * HEIGHT, 3 * WIDTH), target([0, 1])["boxes"]
    _, (resized,) = detector.resized([large], [target([0, 1]) | {IGNORED: boxes}])
    assert torch.equal(resized[IGNORED], resized["boxes"])
    assert not torch.equal(resized["boxes"], boxes)


def test_proposals_on_ignored_boxes_are_people_or_nothing(detector):
    step = step_of(detector, target([0, 1]) | {IGNORED: EVERYTHING}, target([2]) | {IGNORED: EVERYTHING})
    assert (step.rois.labels == 1).all()
    assert (step.anchors.labels == 1).all()
    plain = step_of(detector, target([0, 1]), target([2]))
    assert (plain.rois.labels == 0).any()


def test_without_ignored_boxes_every_bit_is_as_before(detector):
    plain = step_of(detector, target([0, 1]), target([2]))
    empty = step_of(detector, target([0, 1]) | {IGNORED: torch.zeros(0, 4)}, target([2]))
    assert all(torch.equal(value, empty.losses[name]) for name, value in plain.losses.items())


@pytest.mark.parametrize("head", [None, "oim", "seqnet"])
def test_scenes_of_ignored_boxes_alone_have_no_loss(head, detector):
    network = detector if head is None else build_student(search_options(head=head)).train()
    truth = [NOBODY | {IGNORED: EVERYTHING}, NOBODY | {IGNORED: EVERYTHING}]
    step = step_of(network, *truth) if head is None else network.search_step([image(0), image(1)], truth)
    losses = step.losses if head is None else {**step.detection.losses, **step.further.losses}
    assert {name: float(loss.detach()) for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_a_query_guided_network_leaves_out_ignored_boxes():
    """Its RPN looks for one person, who may be in an ignored box of the gallery scene."""
    torch.manual_seed(0)
    network = build_student(search_options(head="qeeps", guidance=GuidanceOptions(reduction=4))).train()
    query = target([0, 1]) | {QUERY: torch.tensor([0])}
    step = network.search_step([image(0), image(1)], [query, NOBODY | {IGNORED: EVERYTHING}])
    losses = {**step.detection.losses, **step.further.losses}
    assert {name: float(loss.detach()) for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    assert "query_objectness" in losses
