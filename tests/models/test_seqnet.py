"""SeqNet: its two heads beside an OIM student's one, and the norm-aware score beside a plain computation."""

import pytest
import torch
from torchvision.models.detection.roi_heads import fastrcnn_loss

from pipeline.models.heads import build_student
from pipeline.models.seqnet import RowNormalisation, norm_aware_loss
from pipeline.reporting.comparison.cost import network_cost
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.student.training import StudentTask
from tests.models.test_person_search import BOXES, EMBEDDING, image, moved, none_given, target, total_of
from tests.tiny import search_options

SEQNET = {"head": "seqnet"}


@pytest.fixture(scope="module")
def oim():
    torch.manual_seed(0)
    return moved(build_student(search_options()))


@pytest.fixture(scope="module")
def seqnet():
    torch.manual_seed(0)
    return moved(build_student(search_options(**SEQNET)))


def features_of(network, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, network.roi_channels, generator=generator).relu()


def test_with_the_first_heads_boxes_it_finds_what_an_oim_student_finds(oim):
    """The same weights in both heads, and a second head that leaves boxes where they are and norms alone."""
    network = build_student(search_options(**SEQNET)).eval()
    network.load_state_dict(oim.state_dict(), strict=False)
    network.second_tail.load_state_dict(network.roi_heads.box_head.state_dict())
    torch.nn.init.zeros_(network.second_box.weight)
    network.embedding_norm = torch.nn.Identity()
    images, given = [image(seed) for seed in range(4)], [BOXES] * 4
    (plain, of_given), (found, also) = (own.search(images, given) for own in (oim, network))
    for one, other in zip(plain, found, strict=True):
        assert len(one["boxes"]) > 0
        assert torch.equal(one["scores"], other["scores"])
        torch.testing.assert_close(one["boxes"], other["boxes"], atol=1e-3, rtol=0)
        torch.testing.assert_close(one["embeddings"], other["embeddings"], atol=1e-4, rtol=0)
    torch.testing.assert_close(of_given, also)


def test_the_first_head_is_an_oim_students(seqnet):
    """Names, shapes and first weights: so a detector teacher has the same to look at."""
    torch.manual_seed(0)
    plain = build_student(search_options()).state_dict()
    torch.manual_seed(0)
    first = build_student(search_options(**SEQNET)).state_dict()
    assert all(torch.equal(value, first[name]) for name, value in plain.items())
    others = {name.partition(".")[0] for name in first.keys() - plain.keys()}
    assert others == {"second_tail", "second_box", "embedding_norm", "score_norm"}


def test_a_step_has_the_first_heads_losses_of_an_oim_student():
    steps = []
    for options in ({}, SEQNET):
        torch.manual_seed(0)
        network = build_student(search_options(**options)).train()
        torch.manual_seed(1)
        steps.append(network.search_step([image(0), image(1)], [target([0, 1]), target([2])]))
    plain, step = steps
    assert step.detection.losses.keys() == plain.detection.losses.keys()
    assert all(
        torch.equal(value, plain.detection.losses[name]) for name, value in step.detection.losses.items()
    )


def plainly_normalised(rows, norm, training):
    mean, variance = norm.running_mean.tolist(), norm.running_var.tolist()
    columns = list(zip(*rows, strict=True))
    if training:
        mean = [sum(column) / len(column) for column in columns]
        variance = [
            sum((value - centre) ** 2 for value in column) / len(column)
            for column, centre in zip(columns, mean, strict=True)
        ]
    return [
        [
            (value - mean[i]) / (variance[i] + norm.eps) ** 0.5 * float(norm.weight[i].detach())
            + float(norm.bias[i].detach())
            for i, value in enumerate(row)
        ]
        for row in rows
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("count", [2, 9])
def test_embedding_and_score_are_those_of_a_plain_computation(count, training, seqnet):
    network = build_student(seqnet.options).train(training)
    network.load_state_dict(seqnet.state_dict())
    torch.nn.init.uniform_(network.score_norm.weight, 0.5, 2.0)
    torch.nn.init.uniform_(network.score_norm.bias, -1.0, 1.0)
    features = features_of(network, count)
    rows = plainly_normalised(network.embedding(features).detach().tolist(), network.embedding_norm, training)
    lengths = [sum(value**2 for value in row) ** 0.5 for row in rows]
    logits = plainly_normalised([[length] for length in lengths], network.score_norm, training)
    scores = [1 / (1 + 2.718281828459045 ** -logit[0]) for logit in logits]
    unit = [[value / length for value in row] for row, length in zip(rows, lengths, strict=True)]
    embeddings, found = network.norm_aware(features)
    torch.testing.assert_close(embeddings, torch.tensor(unit), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.sigmoid(), torch.tensor(scores), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_the_score_is_between_0_and_1(scale, seqnet):
    _, logits = seqnet.norm_aware(features_of(seqnet, 50) * scale)
    assert logits.isfinite().all()
    assert ((logits.sigmoid() >= 0) & (logits.sigmoid() <= 1)).all()


def test_the_score_has_nothing_to_do_with_the_direction(seqnet):
    """Turned about, an embedding has the same norm; made longer, the same direction."""
    embeddings = torch.randn(6, EMBEDDING)
    lengths = embeddings.norm(dim=1, keepdim=True)
    assert torch.equal(seqnet.score_norm(lengths), seqnet.score_norm((-embeddings).norm(dim=1, keepdim=True)))
    torch.testing.assert_close(
        torch.nn.functional.normalize(3 * embeddings), torch.nn.functional.normalize(embeddings)
    )


@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_any_number_of_rows_is_normalised(rows):
    norm = RowNormalisation(3).train()
    values = torch.randn(rows, 3, requires_grad=True)
    norm(values).square().sum().backward()
    assert values.grad.isfinite().all()
    assert all(value.isfinite().all() for value in norm.state_dict().values())
    assert int(norm.num_batches_tracked) == (rows > 1)


def test_a_row_is_normalised_as_in_evaluation():
    norm = RowNormalisation(3)
    for _ in range(3):
        norm.train()(torch.randn(5, 3) * 2 + 1)
    row = torch.randn(1, 3)
    assert torch.equal(norm.train()(row), norm.eval()(row))


@pytest.mark.parametrize("count", [1, 7])
def test_the_loss_of_scores_is_the_binary_cross_entropy(count):
    logits, labels = torch.randn(count), torch.randint(2, (count,))
    chance = torch.where(labels == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(norm_aware_loss(logits, labels), -chance.log().mean())


def test_losses_of_no_roi_are_zero():
    logits = torch.zeros(0, requires_grad=True)
    loss = norm_aware_loss(logits, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0.0


@pytest.mark.parametrize("ids", [[[]], [[], []], [[UNLABELLED], []]])
@pytest.mark.parametrize("least", [1e-3, 1000.0])
def test_it_trains_without_people_and_without_proposals(ids, least):
    """With proposals of 1000 pixels at least there is none: the ground truth is all that the heads see."""
    options = search_options(**SEQNET)
    network = build_student(
        options.model_copy(update={"rpn": options.rpn.model_copy(update={"min_size": least})})
    ).train()
    step = network.search_step([image(seed) for seed in range(len(ids))], [target(own) for own in ids])
    total_of(step).backward()
    assert torch.isfinite(total_of(step))
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_the_second_heads_box_loss_is_torchvisions(seqnet):
    network = build_student(seqnet.options).train()
    seen = {}
    sample = network.sample_boxes

    def kept(candidates, targets):
        seen["boxes"] = sample(candidates, targets)
        return seen["boxes"]

    network.sample_boxes = kept
    features = []
    network.second_tail.register_forward_hook(lambda _module, _inputs, output: features.append(output))
    step = network.search_step([image(0), image(1)], [target([0, 1]), target([2])])
    sampled = seen["boxes"]
    deltas = network.second_box(features[0])
    both = torch.cat([torch.zeros_like(deltas), deltas], dim=1)
    logits = torch.zeros(len(deltas), 2)
    _, expected = fastrcnn_loss(logits, both, [sampled.labels], [sampled.target_deltas])
    torch.testing.assert_close(step.further.losses["second_box"], expected)
    assert step.further.counts == {"second_class": len(sampled.labels), "second_box": len(sampled.labels)}


def test_the_second_head_learns_from_the_first_heads_boxes_and_the_ground_truth(seqnet):
    """No gradient goes back through the boxes; each is clipped to its image."""
    network = build_student(seqnet.options).train()
    seen = []
    sample = network.sample_boxes
    network.sample_boxes = lambda boxes, targets: seen.append(boxes) or sample(boxes, targets)
    step = network.search_step([image(0), image(1)], [target([0, 1]), target([2])])
    _proposals, refined = seen
    rois = step.detection.rois
    for own, boxes in zip(rois.boxes, refined, strict=True):
        assert own.shape == boxes.shape
        assert not boxes.requires_grad
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([128.0, 96.0, 128.0, 96.0])).all()
    sum(step.further.losses.values()).backward()
    assert network.roi_heads.box_predictor.bbox_pred.weight.grad is None
    assert network.stem[0][0].weight.grad.abs().sum() > 0


def test_scores_are_the_first_heads(seqnet):
    batch, features = seqnet.scene_features([image(0)])
    proposals, _ = seqnet.rpn(batch, features)
    (first,) = super(type(seqnet), seqnet).found_at(batch, features, proposals)
    (second,) = seqnet.found_at(batch, features, proposals)
    assert set(second.scores.tolist()) <= set(first.scores.tolist())
    places = [first.scores.tolist().index(score) for score in second.scores.tolist()]
    assert torch.equal(second.rois, first.boxes[places])


@pytest.mark.parametrize("embed_at", [None, "proposal", "final_box"])
def test_where_detections_are_embedded(embed_at, seqnet):
    network = build_student(search_options(**SEQNET, embed_at=embed_at)).eval()
    network.load_state_dict(seqnet.state_dict())
    batch, features = network.scene_features([image(0)])
    (people,) = network.found_in(batch, features)
    boxes = people.boxes if embed_at == "final_box" else people.rois
    (found,), _ = network.search([image(0)], none_given(1))
    _, (expected,) = network.search([image(0)], [boxes])
    torch.testing.assert_close(found["embeddings"], expected, atol=1e-4, rtol=0)


def test_its_cost_is_counted():
    plain, own = (network_cost(search_options(**options)) for options in ({}, SEQNET))
    assert own.parameters > plain.parameters
    assert network_cost(search_options(**SEQNET, embed_at="final_box")).flops > own.flops
    assert network_cost(search_options(embed_at="proposal")).flops < plain.flops


def test_losses_of_the_task_are_counted(seqnet):
    """Several devices weigh each loss by what it is a mean over: none may be left out."""

    class Batch:
        images, targets = [image(0), image(1)], [target([0, 1]), target([2])]

    def identity_loss(embeddings, _ids):
        return {"identity": embeddings.sum()}

    task = StudentTask(build_student(seqnet.options).train(), identity_loss, None, None)
    losses, counts = task.losses(Batch), task.counts()
    assert losses.keys() == counts.keys()
    assert all(count > 0 for count in counts.values())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_losses_and_embeddings_are_float32_in_any_precision(precision):
    """Nothing is drawn, so that losses are those of float32 but for rounding."""
    options = search_options(**SEQNET)
    roi = options.roi.model_copy(update={"sampled_rois": 10_000})
    rpn = options.rpn.model_copy(update={"sampled_anchors": 10_000, "pre_nms_train": 10_000})
    steps = []
    for own in (torch.float32, precision):
        torch.manual_seed(0)
        network = build_student(options.model_copy(update={"roi": roi, "rpn": rpn})).train()
        with torch.autocast("cpu", precision, enabled=own != torch.float32):
            steps.append(network.search_step([image(0), image(1)], [target([0, 1]), target([2])]))
    plain, step = steps
    assert step.embeddings.dtype == torch.float32
    for name, loss in step.further.losses.items():
        assert loss.dtype == torch.float32
        assert float(loss.detach()) == pytest.approx(float(plain.further.losses[name].detach()), rel=0.05)
    total_of(step).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
