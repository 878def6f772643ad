"""QEEPS: beside an OIM student where nothing guides it, and what must hold whatever a query guides."""

import copy

import numpy as np
import pytest
import torch

from pipeline.batches.ground_truth import QUERY
from pipeline.models.backbones import BackboneOptions, build_backbone
from pipeline.models.heads import build_student
from pipeline.models.qeeps import (
    Scenes,
    query_objectness_loss,
    scene_means,
    similarity_loss,
    stages_of,
)
from pipeline.models.query_guidance import Excitation, GuidanceOptions, QueryProposals, SiameseExcitation
from pipeline.reporting.comparison.cost import network_cost
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.student.training import StudentTask
from tests.models.test_person_search import BOXES, image, none_given, target, total_of
from tests.tiny import HEIGHT, WIDTH, search_options

OFF = {"squeeze": False, "proposals": False, "similarity": "cosine"}
PARTS = {
    "squeeze": {**OFF, "squeeze": True},
    "proposals": {**OFF, "proposals": True},
    "similarity": {**OFF, "similarity": "subnet"},
    "all": {},
    "none": OFF,
}


def qeeps_options(**guidance):
    return search_options(head="qeeps", guidance=GuidanceOptions(reduction=4, **guidance))


def query_target(ids, place=0):
    return target(ids) | {QUERY: torch.tensor([place])}


def pair(query_ids=(0, 1), gallery_ids=(2, 0), place=0):
    """One pair as `search_step` takes it."""
    return [image(0), image(1)], [query_target(list(query_ids), place), target(list(gallery_ids))]


def without_draws(options):
    """Options with which all anchors and RoIs are sampled."""
    roi = options.roi.model_copy(update={"sampled_rois": 10_000})
    rpn = options.rpn.model_copy(update={"sampled_anchors": 10_000, "pre_nms_train": 10_000})
    return options.model_copy(update={"roi": roi, "rpn": rpn})


def shaken(network):
    """A network whose guidance has an effect, with statistics that are no longer the first ones."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Excitation):
                module.excite.weight.normal_(std=2.0, generator=generator)
                module.excite.bias.normal_(std=0.5, generator=generator)
            if isinstance(module, QueryProposals):
                module.objectness.weight.normal_(std=1.0, generator=generator)
    network.train()
    for seed in range(3):
        network.search_step([image(seed), image(seed + 9)], pair()[1])
    return network.eval()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return shaken(build_student(qeeps_options()))


def searched(network, query, boxes, scenes, wanted=None):
    """What a network finds in scenes, for each query, with all scenes in one batch."""
    wanted = np.ones((len(boxes), len(scenes)), bool) if wanted is None else wanted
    return network.search_pairs(network.start(query), boxes, [network.start(own) for own in scenes], wanted)


def assert_same(one, other, atol=1e-5):
    assert len(one.scores) == len(other.scores) > 0
    torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.scores, other.scores, atol=atol, rtol=0)
    torch.testing.assert_close(one.similarities, other.similarities, atol=atol, rtol=0)


# Nothing guides it: an OIM student.


@pytest.mark.parametrize("embed_at", ["final_box", "proposal"])
def test_without_guidance_it_gives_what_an_oim_student_gives(embed_at, network):
    oim = build_student(search_options(embed_at=embed_at)).eval()
    oim.load_state_dict(network.state_dict(), strict=False)
    plain = build_student(qeeps_options(**OFF).model_copy(update={"embed_at": embed_at})).eval()
    plain.load_state_dict(oim.state_dict())
    scenes = [image(seed) for seed in range(1, 4)]
    found, _ = oim.search(scenes, none_given(3))
    _, (queries,) = oim.search([image(0)], [BOXES])
    for (query, scene), result in searched(plain, image(0), BOXES, scenes).items():
        own = found[scene]
        assert len(own["boxes"]) == len(result.boxes) > 0
        torch.testing.assert_close(result.boxes, own["boxes"], atol=1e-3, rtol=0)
        torch.testing.assert_close(result.scores, own["scores"], atol=1e-5, rtol=0)
        torch.testing.assert_close(result.similarities, own["embeddings"] @ queries[query], atol=1e-5, rtol=0)
    for one, other in zip(found, plain.search(scenes, none_given(3))[0], strict=True):
        assert torch.equal(one["embeddings"], other["embeddings"])


def test_at_the_start_qsse_changes_nothing():
    torch.manual_seed(0)
    plain = build_student(qeeps_options(**OFF)).eval()
    torch.manual_seed(0)
    guided = build_student(qeeps_options(**PARTS["squeeze"])).eval()
    one, other = (searched(own, image(0), BOXES[:1], [image(1)])[0, 0] for own in (plain, guided))
    assert_same(one, other)


def test_names_and_first_weights_are_an_oim_students():
    torch.manual_seed(0)
    plain = build_student(search_options()).state_dict()
    torch.manual_seed(0)
    own = build_student(qeeps_options()).state_dict()
    assert all(torch.equal(value, own[name]) for name, value in plain.items())
    others = {name.partition(".")[0] for name in own.keys() - plain.keys()}
    assert others == {"excitations", "query_proposals", "similarity"}


@pytest.mark.parametrize(("name", "guidance"), PARTS.items())
def test_a_part_that_is_off_has_no_weights_and_no_loss(name, guidance):
    network = build_student(qeeps_options(**guidance)).train()
    parts = {key.partition(".")[0] for key in network.state_dict()}
    assert ("excitations" in parts) == (name in ("squeeze", "all"))
    assert ("query_proposals" in parts) == (name in ("proposals", "all"))
    assert ("similarity" in parts) == (name in ("similarity", "all"))
    losses = set(network.search_step(*pair()).further.losses)
    assert losses == {
        "query_objectness" if part == "query_proposals" else part
        for part in parts & {"query_proposals", "similarity"}
    }
    assert losses == set(network.further_losses(network.options))


def test_a_step_without_guidance_has_an_oim_students_losses_of_the_gallery_scene():
    """Group normalisation: with batch statistics, the query's scene and RoI would have a part in them."""
    steps = []
    for options in (search_options(), qeeps_options(**OFF)):
        backbone = options.backbone.model_copy(update={"normalisation": "group"})
        torch.manual_seed(0)
        student = build_student(without_draws(options).model_copy(update={"backbone": backbone})).train()
        images, targets = pair()
        first = 0 if student.trains_on_pairs else 1
        steps.append(student.search_step(images[first:], targets[first:]))
    plain, step = steps
    for name, loss in plain.detection.losses.items():
        torch.testing.assert_close(step.detection.losses[name], loss)
    torch.testing.assert_close(step.embeddings[1:], plain.embeddings)
    assert step.person_ids[0] == 0
    assert torch.equal(step.person_ids[1:], plain.person_ids)


# Pairs.


@pytest.mark.parametrize(("_name", "guidance"), PARTS.items())
def test_batching_and_order_of_pairs_change_nothing(_name, guidance):
    torch.manual_seed(0)
    network = shaken(build_student(qeeps_options(**guidance)))
    scenes = [image(seed) for seed in range(1, 5)]
    together = searched(network, image(0), BOXES, scenes)
    backwards = searched(network, image(0), BOXES, scenes[::-1])
    assert together.keys() == {(query, scene) for query in range(2) for scene in range(4)}
    for (query, scene), result in together.items():
        alone = searched(network, image(0), BOXES[query : query + 1], [scenes[scene]])
        assert_same(alone[0, 0], result)
        assert_same(backwards[query, 3 - scene], result)


def test_only_wanted_pairs_are_searched(network):
    scenes = [image(seed) for seed in range(1, 4)]
    wanted = np.array([[True, False, True], [False, False, False]])
    some, everything = (searched(network, image(0), BOXES, scenes, own) for own in (wanted, None))
    assert some.keys() == {(0, 0), (0, 2)}
    for key, result in some.items():
        assert_same(result, everything[key])


@pytest.mark.parametrize("part", ["squeeze", "proposals", "similarity"])
def test_each_part_has_an_effect(part):
    torch.manual_seed(0)
    network = shaken(build_student(qeeps_options(**PARTS[part])))
    (one,) = searched(network, image(0), BOXES[:1], [image(1)]).values()
    (other,) = searched(network, image(3), BOXES[:1], [image(1)]).values()
    if part == "similarity":  # detection does not depend on the query
        assert torch.equal(one.boxes, other.boxes)
        assert not torch.equal(one.similarities, other.similarities)
    else:
        assert one.boxes.shape != other.boxes.shape or not torch.equal(one.boxes, other.boxes)


def test_a_scene_with_itself_is_searched_as_scenes_are(network):
    """`search` pairs each scene with itself: so does a pair of equal scenes, but for the query's RPN."""
    torch.manual_seed(0)
    guided = shaken(build_student(qeeps_options(**PARTS["squeeze"])))
    (found,), (given,) = guided.search([image(0)], [BOXES])
    result = searched(guided, image(0), BOXES, [image(0)])
    for query in range(2):
        own = result[query, 0]
        torch.testing.assert_close(own.boxes, found["boxes"], atol=1e-3, rtol=0)
        torch.testing.assert_close(own.scores, found["scores"], atol=1e-5, rtol=0)
        similarities = found["embeddings"] @ given[query]
        torch.testing.assert_close(own.similarities, similarities, atol=1e-5, rtol=0)


def test_query_and_gallery_scenes_may_differ_in_size(network):
    query = image(0, HEIGHT // 2, WIDTH)
    scenes = [image(1), image(2)]
    together = searched(network, query, BOXES[:, :] * torch.tensor([1.0, 0.5, 1.0, 0.5]), scenes)
    assert all(result.scores.isfinite().all() for result in together.values())
    assert all((result.boxes[:, 3] <= HEIGHT).all() for result in together.values())


def test_padding_has_no_part_in_the_means():
    features = torch.rand(2, 3, 6, 8)
    scenes = Scenes(features, [(96, 128), (48, 60)], (96, 128))
    expected = torch.stack([features[0].mean((1, 2)), features[1, :, :3, :4].mean((1, 2))])
    torch.testing.assert_close(scene_means(scenes), expected)
    changed = features.clone()
    changed[1, :, 3:] = 7.0
    assert torch.equal(scene_means(scenes._replace(features=changed)), scene_means(scenes))


def test_the_query_guides_what_is_proposed(network):
    """Anchors whose logit the query raises come first among the proposals."""
    batch, features = network.scene_features([image(1)])
    (plain,), _ = network.rpn(batch, features)
    shape = (1, network.rpn.anchor_generator.num_anchors_per_location()[0], HEIGHT // 16, WIDTH // 16)
    guidance = torch.zeros(shape)
    (same,), _ = network.rpn(batch, features, guidance=guidance)
    assert torch.equal(same, plain)
    guidance[0, 0, 2, 3] = 100.0
    (guided,), _ = network.rpn(batch, features, guidance=guidance)
    place = (2 * shape[3] + 3) * shape[1]
    _, deltas = network.rpn.judge(features["0"], torch.tensor([place]))
    anchor = network.rpn.anchor_generator(batch, [features["0"]])[0][place : place + 1]
    expected = network.rpn.box_coder.decode(deltas, [anchor]).reshape(1, 4)
    clipped = expected.clamp(min=0).minimum(torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT]))
    torch.testing.assert_close(guided[:1], clipped, atol=1e-3, rtol=0)
    assert torch.equal(network.rpn(batch, features)[0][0], plain)  # nothing is left of it


# Training.


@pytest.mark.parametrize(("_name", "guidance"), PARTS.items())
@pytest.mark.parametrize(
    "ids",
    [
        ((0, 1), (2, 0)),
        ((0, 1), (2, 3)),
        ((0,), ()),
        ((0, UNLABELLED), (UNLABELLED,)),
        ((UNLABELLED,), (UNLABELLED,)),
    ],
    ids=["shared", "shares_nobody", "empty_gallery", "unlabelled_gallery", "nobody_labelled"],
)
def test_gradients_are_finite_whoever_is_there(_name, guidance, ids):
    network = build_student(qeeps_options(**guidance)).train()
    step = network.search_step(*pair(*ids))
    total_of(step).backward()
    assert torch.isfinite(total_of(step))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_identities_are_of_both_sides():
    network = build_student(qeeps_options()).train()
    step = network.search_step(
        [image(seed) for seed in range(4)],
        [query_target([0, 1], 1), query_target([2]), target([5, 1]), target([UNLABELLED, 2])],
    )
    ids = step.person_ids.tolist()
    second = ids.index(2)  # the second query: nobody in the first pair has its id
    assert ids[0] == 1
    assert {5, 1} == set(ids[1:second])
    assert {UNLABELLED, 2} == set(ids[second + 1 :])
    assert len(step.embeddings) == len(step.person_ids)
    assert len(step.detection.targets) == len(step.detection.images.image_sizes) == 2


def test_the_subnets_targets_are_whether_it_is_the_querys_person():
    network = build_student(qeeps_options()).train()
    seen = []
    network.similarity.register_forward_hook(lambda _module, inputs, output: seen.append((inputs, output)))
    images = [image(seed) for seed in range(4)]
    targets = [query_target([0]), query_target([1]), target([1, 0]), target([UNLABELLED, 3])]
    step = network.search_step(images, targets)
    (queries, embeddings), logits = seen[0]
    rows = step.embeddings.tolist()
    ids = [int(step.person_ids[rows.index(row)]) for row in embeddings.tolist()]
    wanted = [int(step.person_ids[rows.index(row)]) for row in queries.tolist()]
    assert set(zip(wanted, ids, strict=True)) >= {(0, 0), (0, 1), (1, UNLABELLED), (1, 3)}
    same = torch.tensor([one == other for one, other in zip(wanted, ids, strict=True)])
    torch.testing.assert_close(step.further.losses["similarity"], similarity_loss(logits, same))
    assert step.further.counts["similarity"] == len(ids)


def test_anchors_of_the_querys_person_alone_are_positive(monkeypatch):
    network = build_student(qeeps_options()).train()
    seen = []
    matched = network.rpn.matched_anchors
    monkeypatch.setattr(
        network.rpn, "matched_anchors", lambda *given: seen.append(given[2]) or matched(*given)
    )
    targets = [query_target([0, 1], 1), query_target([2]), target([5, 1]), target([UNLABELLED, 4])]
    network.search_step([image(seed) for seed in range(4)], targets)
    (one, other) = seen[0]
    assert one["boxes"].tolist() == [BOXES[1].tolist()]
    assert len(other["boxes"]) == 0


@pytest.mark.parametrize("count", [1, 6])
def test_losses_are_binary_cross_entropies(count):
    logits, labels = torch.randn(count), torch.randint(2, (count,))
    chance = torch.where(labels == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(similarity_loss(logits, labels == 1), -chance.log().mean())
    torch.testing.assert_close(query_objectness_loss(logits, labels.float()), -chance.log().mean())


def test_the_loss_of_nobody_is_zero():
    logits = torch.zeros(0, requires_grad=True)
    loss = similarity_loss(logits, torch.zeros(0, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_losses_of_the_task_are_counted():
    """Several devices weigh each loss by what it is a mean over: none may be left out."""

    class Batch:
        images, targets = pair()

    task = StudentTask(
        build_student(qeeps_options()).train(), lambda rows, _ids: {"identity": rows.sum()}, None, None
    )
    losses, counts = task.losses(Batch), task.counts()
    assert losses.keys() == counts.keys()
    assert all(count > 0 for count in counts.values())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_losses_and_embeddings_are_float32_in_any_precision(precision):
    steps = []
    for own in (torch.float32, precision):
        torch.manual_seed(0)
        network = build_student(without_draws(qeeps_options())).train()
        with torch.autocast("cpu", precision, enabled=own != torch.float32):
            steps.append(network.search_step(*pair()))
    plain, step = steps
    assert step.embeddings.dtype == torch.float32
    for name, loss in step.further.losses.items():
        assert loss.dtype == torch.float32
        assert float(loss.detach()) == pytest.approx(float(plain.further.losses[name].detach()), rel=0.05)
    total_of(step).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


# Parts.


def test_weights_are_the_same_for_both_scenes_and_between_0_and_2():
    excitation = SiameseExcitation(4, 2)
    queries, galleries = torch.rand(3, 4), torch.rand(3, 4)
    assert torch.equal(excitation(queries, galleries), torch.ones(3, 4, 1, 1))
    torch.nn.init.normal_(excitation.excitation.excite.weight, std=50.0)
    weights = excitation(queries, galleries)
    assert ((weights >= 0) & (weights <= 2)).all()
    assert weights.min() < 0.5
    assert weights.max() > 1.5


@pytest.mark.parametrize(
    ("name", "ends", "channels"),
    [
        ("tiny", [2, 3, 4], [16, 32, 64]),
        ("resnet18", [2, 3, 4], [64, 128, 256]),
        ("resnet50", [2, 3, 4], [256, 512, 1024]),
        ("mobilenet_v2", [2, 4, 7, 14], [16, 24, 32, 96]),
    ],
)
def test_the_stages_of_a_stem(name, ends, channels):
    stem = build_backbone(BackboneOptions(name=name)).stem
    before = copy.deepcopy(stem.state_dict())
    stages = stages_of(stem)
    assert [stage.end for stage in stages] == ends
    assert [stage.first for stage in stages] == [0, *ends[:-1]]
    assert [stage.channels for stage in stages] == channels
    assert all(torch.equal(value, before[key]) for key, value in stem.state_dict().items())


def test_its_cost_is_that_of_a_pair():
    plain, off, own = (
        network_cost(options) for options in (search_options(), qeeps_options(**OFF), qeeps_options())
    )
    assert off.parameters == plain.parameters < own.parameters
    assert plain.flops < off.flops < own.flops < 3 * plain.flops
