"""Detections are torchvision's, to the bit; they know where they came from."""

import pytest
import torch

from pipeline.models.heads import build_student
from pipeline.models.post_processing import inside, strongest
from tests.models.test_person_search import BOXES, image, moved, none_given
from tests.tiny import search_options

SIZE = (96, 128)


@pytest.fixture(scope="module")
def pair():
    """Two networks of the same weights: one embeds at final boxes, the other at proposals."""
    torch.manual_seed(0)
    final = moved(build_student(search_options()))
    proposal = build_student(search_options(embed_at="proposal")).eval()
    proposal.load_state_dict(final.state_dict())
    return final, proposal


def predictions(network, count, seed):
    """Logits, encoded boxes and proposals as a head gives them; some alike, some without area."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([110.0, 80.0])
    proposals = torch.cat([corner, corner + 50 * torch.rand(count, 2, generator=generator)], dim=1)
    logits = torch.randn(count, 2, generator=generator).mul(2).round(decimals=1)
    return logits, 2 * torch.randn(count, 8, generator=generator), proposals


@pytest.mark.parametrize("counts", [[0], [1], [7, 0, 60], [1500, 20]])
@pytest.mark.parametrize(("score", "nms", "most"), [(0.01, 0.4, 10), (0.5, 0.7, 300), (0.9, 0.01, 3)])
def test_detections_are_torchvisions_to_the_bit(counts, score, nms, most, pair):
    network = build_student(pair[0].options).eval()
    heads = network.roi_heads
    heads.score_thresh, heads.nms_thresh, heads.detections_per_img = score, nms, most
    roi = {"score_threshold": score, "nms_threshold": nms, "detections_per_image": most}
    network.options = network.options.model_copy(update={"roi": network.options.roi.model_copy(update=roi)})
    parts = [predictions(network, count, seed) for seed, count in enumerate(counts)]
    logits, deltas = (torch.cat([part[i] for part in parts]) for i in range(2))
    proposals, sizes = [part[2] for part in parts], [SIZE] * len(counts)
    boxes, scores, _ = heads.postprocess_detections(logits, deltas, proposals, sizes)
    network.rpn.forward = lambda *_: (proposals, {})
    network.roi_features = lambda *_: torch.arange(len(logits))[:, None]
    network.predictions = lambda _: (logits, deltas[:, 4:])

    class Batch:
        image_sizes = sizes

    for people, own, sure, candidates in zip(
        network.found_in(Batch(), {}), boxes, scores, proposals, strict=True
    ):
        assert torch.equal(people.boxes, own)
        assert torch.equal(people.scores, sure)
        assert len(people.rois) == len(people.roi_features) == len(own)
        assert all((row == candidates).all(dim=1).any() for row in people.rois)


def test_each_detection_knows_its_proposal(pair):
    """The tail at that proposal, and what its box is made of, give the detection again."""
    network = pair[0]
    batch, features = network.scene_features([image(0), image(1)])
    for index, people in enumerate(network.found_in(batch, features)):
        rois = [people.rois if own == index else people.rois[:0] for own in range(2)]
        again = network.roi_features(features, rois, batch.image_sizes)
        torch.testing.assert_close(again, people.roi_features, atol=1e-4, rtol=1e-4)
        logits, deltas = network.predictions(again)
        boxes = network.roi_heads.box_coder.decode(deltas, [people.rois])[:, 0]
        torch.testing.assert_close(inside(boxes, batch.image_sizes[index]), people.boxes, atol=1e-2, rtol=0)
        torch.testing.assert_close(logits.softmax(dim=1)[:, 1], people.scores, atol=1e-4, rtol=0)


def test_nothing_is_found_among_no_boxes():
    kept = strongest(torch.zeros(0, 4), torch.zeros(0), score_threshold=0.1, nms_threshold=0.4, most=5)
    assert kept.shape == (0,)


def test_at_its_proposal_a_detection_is_the_same_but_for_its_embedding(pair):
    images, given = [image(seed) for seed in range(3)], [BOXES, BOXES[:0], BOXES[:1]]
    (plain, of_given), (other, also) = (network.search(images, given) for network in pair)
    for one, two in zip(plain, other, strict=True):
        assert torch.equal(one["boxes"], two["boxes"])
        assert torch.equal(one["scores"], two["scores"])
        assert one["embeddings"].shape == two["embeddings"].shape
        assert not torch.allclose(one["embeddings"], two["embeddings"], atol=1e-3)
    torch.testing.assert_close(of_given, also, atol=1e-5, rtol=0)


def test_at_its_proposal_a_detection_is_embedded_as_if_that_were_given(pair):
    network = pair[1]
    batch, features = network.scene_features([image(0)])
    (people,) = network.found_in(batch, features)
    (found,), _ = network.search([image(0)], none_given(1))
    _, (expected,) = network.search([image(0)], [people.rois])
    torch.testing.assert_close(found["embeddings"], expected, atol=1e-4, rtol=0)


def test_at_proposals_no_box_goes_through_the_tail_twice(pair):
    network, seen = pair[1], []
    handle = network.roi_heads.box_head.register_forward_hook(lambda *call: seen.append(len(call[-1])))
    network.search([image(0)], none_given(1))
    handle.remove()
    assert sum(seen) <= network.options.rpn.post_nms_test
