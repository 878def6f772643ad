"""What every identity target promises, whatever it computes."""

import math

import pytest
import torch
from torch.nn import functional

from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.losses.identity.cosine import cosine_to_row
from pipeline.losses.identity.kl import similarity_divergence
from pipeline.losses.identity.table import identity_cross_entropy
from pipeline.losses.identity.targets import USED_BY, IdentityOptions, build_identity_loss
from pipeline.scenes.scene import UNLABELLED
from tests.losses.conftest import DIM, IDENTITIES

TARGETS = ("oim", "lut", "lut_ema", "cosine", "kl")
FROZEN = ("lut", "cosine", "kl")
SCALE = 7.0

every_target = pytest.mark.parametrize("target", TARGETS)


def build(target, table, **options):
    looked_at = {key: value for key, value in {"scale": SCALE, **options}.items() if target in USED_BY[key]}
    settings = IdentityOptions(target=target, weight=1.0, **looked_at)
    loss = build_identity_loss(settings, IDENTITIES, DIM, table.clone()).double()
    if target == "oim":
        loss.table.copy_(table)
    return loss


def gradient(loss, embeddings):
    (result,) = torch.autograd.grad(loss, embeddings)
    return result


@every_target
def test_order_of_people_does_not_matter(target, people):
    loss = build(target, people.table)
    order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
    one = loss(people.embeddings, people.person_ids)["identity"]
    other = loss(people.embeddings[order], people.person_ids[order])["identity"]
    torch.testing.assert_close(one, other)


@every_target
def test_unlabelled_people_get_no_gradient_and_change_nothing(target, people):
    loss = build(target, people.table)
    labelled = people.person_ids != UNLABELLED
    value = loss(people.embeddings, people.person_ids)["identity"]
    alone = loss(people.embeddings[labelled], people.person_ids[labelled])["identity"]
    torch.testing.assert_close(value, alone)
    assert (gradient(value, people.embeddings)[~labelled] == 0).all()


@every_target
@pytest.mark.parametrize("count", [0, 1, 7])
def test_without_labelled_people_loss_and_gradient_are_zero(target, count, people):
    loss = build(target, people.table, queue_size=3)
    embeddings = people.embeddings[:count].detach().requires_grad_()
    ids = torch.full((count,), UNLABELLED)
    value = loss(embeddings, ids)["identity"]
    assert value.item() == 0.0
    assert torch.equal(gradient(value, embeddings), torch.zeros(count, DIM, dtype=torch.float64))


@every_target
def test_gradient_is_the_derivative(target, people):
    loss = build(target, people.table, queue_size=2)

    def value(embeddings):
        return loss(embeddings, people.person_ids)["identity"]

    assert torch.autograd.gradcheck(value, (people.embeddings,))


@every_target
def test_a_gradient_step_reduces_the_loss(target, people):
    loss = build(target, people.table)
    before = loss(people.embeddings, people.person_ids)["identity"]
    moved = people.embeddings - 0.05 * gradient(before, people.embeddings)
    after = loss(functional.normalize(moved, dim=1), people.person_ids)["identity"]
    assert after < before


@every_target
def test_forward_changes_no_state(target, people):
    loss = build(target, people.table, queue_size=2)
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss(people.embeddings, people.person_ids)["identity"].backward()
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())


@pytest.mark.parametrize("target", FROZEN)
def test_a_frozen_table_stays_as_it_is(target, people):
    loss = build(target, people.table)
    loss.update(people.embeddings.detach(), people.person_ids)
    assert torch.equal(loss.table, people.table)


@every_target
def test_state_is_in_the_state_dict(target, people):
    loss = build(target, people.table, queue_size=4)
    loss.update(people.embeddings.detach(), people.person_ids)
    expected = {"table", "queue", "queue_position"} if target in ("oim", "lut", "lut_ema") else {"table"}
    assert set(loss.state_dict()) == expected
    assert not list(loss.parameters())
    copy = build(target, torch.zeros_like(people.table), queue_size=4)
    copy.load_state_dict(loss.state_dict())
    args = people.embeddings, people.person_ids
    assert torch.equal(copy(*args)["identity"], loss(*args)["identity"])


def test_the_callers_table_is_not_changed(people):
    table = people.table.clone()
    settings = IdentityOptions(target="lut_ema", weight=1.0)
    build_identity_loss(settings, IDENTITIES, DIM, table).update(
        people.embeddings.detach(), people.person_ids
    )
    assert torch.equal(table, people.table)


def test_cross_entropy_equals_a_plain_loop(people):
    queue = functional.normalize(torch.randn(3, DIM, dtype=torch.float64), dim=1)
    rows = [*people.table, *queue]
    losses = []
    for embedding, person in zip(people.embeddings, people.person_ids.tolist(), strict=True):
        if person != UNLABELLED:
            exponentials = [torch.exp(SCALE * embedding.dot(row)) for row in rows]
            losses.append(-torch.log(exponentials[person] / sum(exponentials)))
    expected = sum(losses) / len(losses)
    value = identity_cross_entropy(people.embeddings, people.person_ids, people.table, queue, SCALE)[
        "identity"
    ]
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient(value, people.embeddings), gradient(expected, people.embeddings))


def test_divergence_equals_a_plain_loop(people):
    losses = []
    for embedding, person in zip(people.embeddings, people.person_ids.tolist(), strict=True):
        if person != UNLABELLED:
            teacher = torch.softmax(SCALE * people.table @ people.table[person], 0)
            student = torch.softmax(SCALE * people.table @ embedding, 0)
            losses.append(sum(p * torch.log(p / q) for p, q in zip(teacher, student, strict=True)))
    expected = sum(losses) / len(losses)
    value = similarity_divergence(people.embeddings, people.person_ids, people.table, SCALE)["identity"]
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient(value, people.embeddings), gradient(expected, people.embeddings))


def test_cosine_equals_a_plain_loop(people):
    losses = [
        1 - embedding.dot(people.table[person])
        for embedding, person in zip(people.embeddings, people.person_ids.tolist(), strict=True)
        if person != UNLABELLED
    ]
    value = cosine_to_row(people.embeddings, people.person_ids, people.table)["identity"]
    torch.testing.assert_close(value, sum(losses) / len(losses))


@pytest.mark.parametrize("target", ["cosine", "kl"])
def test_zero_at_the_persons_own_row(target, people):
    ids = torch.arange(IDENTITIES)
    assert abs(build(target, people.table)(people.table, ids)["identity"].item()) < 1e-12


def test_oim_before_any_update_knows_nobody():
    loss = build_identity_loss(IdentityOptions(target="oim", weight=1.0), IDENTITIES, DIM, None)
    value = loss(functional.normalize(torch.randn(4, DIM), dim=1), torch.tensor([0, 1, 2, 2]))["identity"]
    assert value.item() == pytest.approx(math.log(IDENTITIES))


def test_lut_ema_starts_as_the_teachers_table(people):
    assert torch.equal(build("lut_ema", people.table).table, people.table)


@pytest.mark.parametrize("target", ["lut", "lut_ema", "cosine", "kl"])
@pytest.mark.parametrize("shape", [None, (IDENTITIES + 1, DIM), (IDENTITIES, DIM + 1)])
def test_a_table_that_does_not_fit_is_refused(target, shape):
    table = None if shape is None else torch.zeros(shape)
    with pytest.raises(ValueError, match=r"needs a table"):
        build_identity_loss(IdentityOptions(target=target, weight=1.0), IDENTITIES, DIM, table)


LOOKED_AT = {
    "oim": {"scale", "momentum", "queue_size"},
    "lut": {"scale", "queue_size"},
    "lut_ema": {"scale", "momentum", "queue_size"},
    "cosine": set(),
    "kl": {"scale"},
}


def numbers_of(target, people, **stated):
    """What a loss is built with: numbers, and the sizes of what it keeps."""
    options = parse_options(IdentityOptions, {"target": target, "weight": 1.0, **stated}, "x")
    loss = build_identity_loss(options, IDENTITIES, DIM, people.table)
    numbers = [value for value in vars(loss).values() if isinstance(value, int | float)]
    return numbers, [values.shape for values in loss.buffers()]


@every_target
@pytest.mark.parametrize(
    ("key", "default", "other"), [("scale", 30.0, 16.0), ("momentum", 0.5, 0.9), ("queue_size", 0, 3)]
)
def test_a_setting_is_looked_at_or_refused(target, key, default, other, people):
    """Also one that is the default: who states it takes it for something."""
    if key in LOOKED_AT[target]:
        plain = numbers_of(target, people)
        assert numbers_of(target, people, **{key: default}) == plain
        assert numbers_of(target, people, **{key: other}) != plain
        return
    for value in (default, other):
        with pytest.raises(UserError) as error:
            numbers_of(target, people, **{key: value})
        assert str(error.value) == (
            f"x: parameter '{key}' has no effect: the target '{target}' does not look at it; leave it out"
        )


def test_no_target_gives_no_loss_and_keeps_nothing(people):
    loss = build_identity_loss(None, IDENTITIES, DIM, None)
    assert loss(people.embeddings, people.person_ids) == {}
    loss.update(people.embeddings, people.person_ids)
    assert not loss.state_dict()
