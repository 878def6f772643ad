"""Detector and person-search network: what must hold whatever the weights are."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.models.detector import Detector, RoiOptions
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.scene import UNLABELLED
from tests.tiny import EARLIER, EARLY, HEIGHT, STRIPED, WIDTH, backbone, detector_options, search_options

KINDS = {
    "oim": {},
    "oim_at_proposal": {"embed_at": "proposal"},
    "oim_striped": {"roi": STRIPED},
    "oim_early": {"roi": EARLY, "backbone": backbone("group")},
    "oim_earlier": {"roi": EARLIER, "backbone": backbone("frozen_batch")},
    "seqnet": {"head": "seqnet"},
    "seqnet_early": {"head": "seqnet", "roi": EARLY, "backbone": backbone("frozen_batch")},
    "seqnet_striped": {"head": "seqnet", "roi": STRIPED},
}
"""Options of each kind of network. What must hold, holds for all."""
LOSSES = {"rpn_objectness", "rpn_box", "roi_class", "roi_box"}
SECOND = {"second_class", "second_box"}
FURTHER = {"seqnet": SECOND, "seqnet_early": SECOND, "seqnet_striped": SECOND}
EMBEDDING = 16
BOXES = torch.tensor([[10.0, 20.0, 34.0, 80.0], [60.0, 10.0, 90.0, 85.0]])


def image(seed=0, height=HEIGHT, width=WIDTH) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def target(ids) -> dict[str, Tensor]:
    return {
        "boxes": BOXES[: len(ids)],
        "labels": torch.ones(len(ids), dtype=torch.int64),
        "person_ids": torch.tensor(ids, dtype=torch.int64),
    }


def moved(network) -> PersonSearchNetwork:
    """Let a network's statistics be no longer the first ones; return it in evaluation mode."""
    network.train()
    for seed in range(3):
        network.search_step([image(seed), image(seed + 9)], [target([0, 1]), target([2])])
    return network.eval()


def total_of(step) -> Tensor:
    """All losses of a step, and something of its embeddings."""
    return sum([*step.detection.losses.values(), *step.further.losses.values(), step.embeddings.sum()])


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(kind) -> PersonSearchNetwork:
    torch.manual_seed(0)
    return moved(build_student(search_options(**KINDS[kind])))


@pytest.fixture(scope="module")
def oim() -> PersonSearchNetwork:
    torch.manual_seed(0)
    return moved(build_student(search_options()))


@pytest.fixture
def training(network) -> PersonSearchNetwork:
    """A copy in training mode."""
    return copy.deepcopy(network).train()


def none_given(count):
    return [torch.zeros(0, 4)] * count


def assert_results_close(one, other, pixels=1e-3):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a["boxes"], b["boxes"], atol=pixels, rtol=0)
        torch.testing.assert_close(a["scores"], b["scores"], atol=1e-5, rtol=0)
        torch.testing.assert_close(a["embeddings"], b["embeddings"], atol=1e-4, rtol=0)


def test_together_is_as_one_by_one(network):
    images, given = [image(seed) for seed in range(3)], [BOXES, BOXES[:1], BOXES[:0]]
    together, embedded = network.search(images, given)
    for index in range(3):
        alone, own = network.search([images[index]], [given[index]])
        assert_results_close(alone, together[index : index + 1])
        torch.testing.assert_close(own[0], embedded[index], atol=1e-4, rtol=0)


def test_the_order_of_images_does_not_matter(network):
    images, given, order = [image(seed) for seed in range(3)], [BOXES, BOXES[:1], BOXES[:0]], [2, 0, 1]
    plain, embedded = network.search(images, given)
    other, moved = network.search([images[i] for i in order], [given[i] for i in order])
    assert_results_close([plain[i] for i in order], other)
    for i, row in zip(order, moved, strict=True):
        torch.testing.assert_close(embedded[i], row, atol=1e-4, rtol=0)


def test_images_of_different_sizes_keep_their_people(network):
    """Padding changes features at the edges, so only about the same comes out."""
    images = [image(0), image(1, 80, 128), image(2, 96, 100)]
    given = [BOXES[:1]] * 3
    _, embedded = network.search(images, given)
    for index in range(3):
        _, alone = network.search([images[index]], [given[index]])
        assert (alone[0] * embedded[index]).sum() > 0.99


def test_the_same_call_gives_the_same_bits(network):
    images = [image(0), image(1)]
    (one, _), (other, _) = network.search(images, none_given(2)), network.search(images, none_given(2))
    assert all(torch.equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in a)


def test_shapes_and_ranges(network):
    results, embedded = network.search([image(0), image(1)], [BOXES, BOXES[:0]])
    assert [tuple(rows.shape) for rows in embedded] == [(2, EMBEDDING), (0, EMBEDDING)]
    for found in results:
        count = len(found["boxes"])
        assert 0 < count <= 10
        assert (found["scores"].shape, found["embeddings"].shape) == ((count,), (count, EMBEDDING))
        assert (found["scores"].diff() <= 0).all()
        assert (found["scores"] > 0.01).all()
        assert (found["boxes"][:, 2:] > found["boxes"][:, :2]).all()
        assert (found["boxes"] >= 0).all()
        assert (found["boxes"] <= torch.tensor([WIDTH, HEIGHT] * 2) + 1e-3).all()


def test_embeddings_are_unit(network):
    results, embedded = network.search([image(0)], [BOXES])
    for rows in (results[0]["embeddings"], embedded[0]):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


def test_a_detection_is_embedded_as_if_its_box_were_given(oim):
    found = oim.search([image(0)], none_given(1))[0][0]
    again = oim.search([image(0)], [found["boxes"]])[1][0]
    torch.testing.assert_close(again, found["embeddings"], atol=1e-4, rtol=0)


def test_search_finds_what_detect_finds(network):
    found, detected = network.search([image(0)], [BOXES])[0][0], network.detect([image(0)])[0]
    assert torch.equal(found["boxes"], detected["boxes"])
    assert torch.equal(found["scores"], detected["scores"])


@pytest.mark.parametrize("factor", [2, 4])
def test_boxes_come_back_in_the_images_own_pixels(factor, network):
    """Pixels repeated a power of two times are scaled down to the very same pixels."""
    small = image(0)
    large = small.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    results, own = network.search([small], [BOXES])
    enlarged, own_enlarged = network.search([large], [BOXES * factor])
    results[0]["boxes"] = results[0]["boxes"] * factor
    assert_results_close(results, enlarged, pixels=1e-2)
    torch.testing.assert_close(own[0], own_enlarged[0], atol=1e-4, rtol=0)


def test_an_image_without_detections(kind):
    options = search_options(**KINDS[kind])
    strict = options.model_copy(update={"roi": options.roi.model_copy(update={"score_threshold": 0.9999})})
    network = build_student(strict).eval()
    results, embedded = network.search([image(0), image(1)], [BOXES, BOXES[:0]])
    for found in results:
        assert (found["boxes"].shape, found["scores"].shape) == ((0, 4), (0,))
        assert found["embeddings"].shape == (0, EMBEDDING)
    assert [len(rows) for rows in embedded] == [2, 0]
    only, _ = network.search([image(0)], none_given(1))
    assert only[0]["embeddings"].shape == (0, EMBEDDING)


@pytest.mark.parametrize(
    "ids", [[[0, 1], [UNLABELLED]], [[], [0]], [[], []], [[UNLABELLED] * 2, [UNLABELLED]]]
)
def test_every_batch_trains_with_finite_losses_and_gradients(ids, kind, training):
    images = [image(seed) for seed in range(len(ids))]
    step = training.search_step(images, [target(own) for own in ids])
    losses, rois, people = step.detection.losses, step.detection.rois, step.person_ids
    embeddings, further = step.embeddings, step.further
    assert set(losses) == LOSSES
    assert further.losses.keys() == further.counts.keys() == FURTHER.get(kind, set())
    assert FURTHER.get(kind, set()) == {*training.further_losses(training.options)}
    total_of(step).backward()
    assert all(torch.isfinite(loss) for loss in [*losses.values(), *further.losses.values()])
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in training.parameters())
    assert embeddings.shape == (len(people), EMBEDDING)
    assert set(people.tolist()) <= {person for own in ids for person in own}
    assert len(rois.labels) == len(rois.features) == len(rois.person_ids)


def test_a_batch_of_one_image(training):
    step = training.search_step([image()], [target([4, 2])])
    assert torch.isfinite(total_of(step))
    assert {4, 2} == set(step.person_ids.tolist())


def test_every_person_is_among_the_rois(kind, training):
    """Ground truth joins the proposals, so that everybody is learned from at each step."""
    step = training.search_step([image(0), image(1)], [target([3, 5]), target([1])])
    people, rois = step.person_ids, step.detection.rois
    assert {3, 5, 1} == set(people.tolist())
    assert "seqnet" in kind or torch.equal(people, rois.person_ids[rois.labels == 1])


def test_training_leaves_its_arguments_alone(training):
    images, targets = [image(0, 60, 100)], [target([0, 1])]
    before = [images[0].clone(), {key: value.clone() for key, value in targets[0].items()}]
    training.search_step(images, targets)
    assert torch.equal(images[0], before[0])
    assert all(torch.equal(value, before[1][key]) for key, value in targets[0].items())


@pytest.mark.parametrize("stages", [1, 3, 4])
def test_frozen_parts_have_no_gradient(kind, stages):
    frozen = backbone("frozen_batch").model_copy(update={"frozen_stages": stages})
    network = build_student(search_options(**(KINDS[kind] | {"backbone": frozen}))).train()
    total_of(network.search_step([image()], [target([0])])).backward()
    learned = [any(p.grad is not None for p in part.parameters()) for part in network.stem]
    assert learned == [place >= stages for place in range(4)]
    assert network.embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("head", ["oim", "seqnet"])
def test_stripes_change_the_embedding_alone(head):
    """With the same weights, and an embedding that sees all stripes alike, they change nothing at all."""
    torch.manual_seed(0)
    plain = moved(build_student(search_options(head=head)))
    striped = build_student(search_options(head=head, roi=STRIPED)).eval()
    weights = plain.state_dict()
    whole = weights["embedding.weight"]
    weights["embedding.weight"] = whole.repeat_interleave(STRIPED.stripes, dim=1) / STRIPED.stripes
    striped.load_state_dict(weights)
    expected, (given,) = plain.search([image()], [BOXES])
    found, (also,) = striped.search([image()], [BOXES])
    assert len(found[0]["boxes"]) > 0
    for key, value in expected[0].items():
        torch.testing.assert_close(found[0][key], value, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(also, given, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        striped.embedding.weight[:, :: STRIPED.stripes] *= 2  # the highest of the stripes
    again, (other,) = striped.search([image()], [BOXES])
    assert torch.equal(again[0]["boxes"], found[0]["boxes"])
    assert not torch.allclose(other, given, atol=1e-3)


def test_an_embedding_of_stripes_knows_what_is_above():
    """Of a picture and the same upside down, the mean of all cells may be equal; stripes change places."""
    torch.manual_seed(0)
    network = build_student(search_options(roi=STRIPED)).eval()
    pooling = network.roi_heads.box_head[1:]
    cells = torch.rand(2, network.tail_channels, 3, 2)
    stripes = pooling(cells).unflatten(1, (-1, STRIPED.stripes))
    torch.testing.assert_close(pooling(cells.flip(2)).unflatten(1, (-1, STRIPED.stripes)), stripes.flip(2))
    torch.testing.assert_close(network.mean_of_stripes(pooling(cells)), cells.mean(dim=(2, 3)))
    assert network.mean_of_stripes(pooling(cells)[:0]).shape == (0, network.tail_channels)


def test_stripes_are_of_one_height():
    with pytest.raises(ValidationError, match="7 rows of the tail's output are not 2 equal stripes"):
        RoiOptions(pooled_height=14, stripes=2)
    with pytest.raises(ValidationError, match="4 rows of the tail's output are not 3 equal stripes"):
        RoiOptions(pooled_height=16, stride=8, stripes=3)
    with pytest.raises(ValidationError, match="4 rows of the tail's output are not 3 equal stripes"):
        RoiOptions(pooled_height=32, stride=4, stripes=3)


@pytest.mark.parametrize(("stride", "seen"), [(4, False), (8, False), (16, True)])
def test_a_roi_pooled_early_does_not_see_what_is_far_from_it(stride, seen):
    torch.manual_seed(0)
    roi = EARLY.model_copy(update={"stride": stride})
    network = build_student(search_options(roi=roi, backbone=backbone("frozen_batch"))).eval()
    box, changed = torch.tensor([[4.0, 8.0, 36.0, 60.0]]), image()
    changed[:, :, 80:] = 1 - changed[:, :, 80:]
    _, before = network.search([image()], [box])
    _, after = network.search([changed], [box])
    assert torch.equal(before[0], after[0]) != seen


@pytest.mark.parametrize("stride", [4, 8])
def test_a_roi_over_everything_is_pooled_to_what_the_stem_gives(stride):
    """At a cell a bin, the rest of the stem sees the same of a RoI over all of a picture as of the scene."""
    size = {"pooled_height": HEIGHT // stride, "pooled_width": WIDTH // stride}
    roi = EARLY.model_copy(update={"stride": stride, **size})
    network = build_student(search_options(roi=roi, backbone=backbone("group"))).eval()
    pixels = torch.rand(2, 3, HEIGHT, WIDTH)
    levels = network.stem_features(pixels)
    assert torch.equal(levels["0"], network.stem(pixels))
    # RoIAlign of torchvision's detectors takes a cell's value to be at its corner.
    whole = torch.tensor([[0.0, 0.0, WIDTH, HEIGHT]]) - stride / 2
    pooled = network.pooled(levels, [whole, whole], [(HEIGHT, WIDTH)] * 2)
    torch.testing.assert_close(pooled, levels["0"], atol=1e-5, rtol=1e-5)


def test_batch_statistics_would_be_of_scenes_and_rois():
    with pytest.raises(UserError, match="statistics would be of both"):
        build_student(search_options(roi=EARLY))


def test_a_detector_finds_without_embedding():
    network = Detector(detector_options()).eval()
    (found,) = network.detect([image()])
    assert set(found) == {"boxes", "scores"}
    assert not any("embedding" in name for name in network.state_dict())


def test_boxes_are_computed_in_float32_under_half_precision(training):
    with torch.autocast("cpu", torch.bfloat16):
        batch, features = training.eval().scene_features([image()])
        proposals, _ = training.rpn(batch, features)
        (people,) = training.found_in(batch, features)
        (found,) = training.detect([image()])
    assert features["0"].dtype == torch.bfloat16
    assert proposals[0].dtype == found["boxes"].dtype == people.rois.dtype == torch.float32
    assert not torch.equal(proposals[0], proposals[0].bfloat16().float())


def test_a_narrow_image_changes_nothing_for_later_ones(kind):
    """torchvision's own pooling would take the size of a cell from the first image that it sees."""
    torch.manual_seed(0)
    network = moved(build_student(search_options(**KINDS[kind])))
    before, after = copy.deepcopy(network), copy.deepcopy(network)
    usual, narrow = image(1), image(2, height=12)
    expected, expected_given = before.search([usual], [BOXES])
    after.search([narrow], [torch.tensor([[10.0, 1.0, 34.0, 10.0]])])
    found, given = after.search([usual], [BOXES])
    torch.testing.assert_close(given, expected_given, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
