"""What every target by box promises, whatever it computes; and each beside a slow plain reference."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.losses.boxes.box_loss import BOX_TABLE
from pipeline.losses.boxes.kl import sampled_rows
from pipeline.losses.boxes.targets import USED_BY, BoxOptions, build_box_loss
from pipeline.scenes.box_rows import NO_ROW
from pipeline.training.engine.joint import gather_rows_with_gradient, joint_losses
from tests.two_processes import RANKS, in_each_process

TARGETS = ("cosine", "kl", "relational")
ROWS, DIM = 9, 6
SEED = 5
every_target = pytest.mark.parametrize("target", TARGETS)


def unit(count, seed=0, dtype=torch.float32):
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return functional.normalize(rows, dim=1)


TABLE = unit(ROWS, 7).half()
BOX_ROWS = torch.tensor([3, NO_ROW, 0, 3, NO_ROW, 8, 1])


def people(count=7, seed=1):
    return unit(count, seed).requires_grad_()


def build(target, count=2048, table=TABLE, **options):
    return build_box_loss(settings_of(target, sampled_rows=count, **options), DIM, table, SEED)


def settings_of(target, **settings):
    """The options of a target, with those of the settings that it looks at."""
    looked_at = {key: value for key, value in settings.items() if target in USED_BY[key]}
    return BoxOptions(target=target, **looked_at)


def gradient(loss, embeddings):
    (result,) = torch.autograd.grad(loss, embeddings)
    return result


def plain(target, embeddings, box_rows, table, sampled, scale):
    """The loss, number by number."""
    known = [(e, int(r)) for e, r in zip(embeddings.tolist(), box_rows, strict=True) if r != NO_ROW]
    rows = table.double().tolist()

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    if target == "cosine":
        losses = [1 - dot(e, rows[r]) for e, r in known]
    elif target == "relational":
        losses = [
            (dot(e, f) - dot(rows[r], rows[s])) ** 2
            for i, (e, r) in enumerate(known)
            for j, (f, s) in enumerate(known)
            if i != j
        ]
    else:
        losses = []
        for e, r in known:
            p, q = ([math.exp(scale * dot(own, rows[k])) for k in sampled] for own in (rows[r], e))
            p, q = ([value / sum(values) for value in values] for values in (p, q))
            losses.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return sum(losses) / max(len(losses), 1)


@given(
    target=st.sampled_from(TARGETS),
    box_rows=st.lists(st.integers(NO_ROW, ROWS - 1), max_size=7),
    seed=st.integers(0, 50),
    scale=st.sampled_from([1.0, 8.0, 16.0]),
    count=st.integers(1, 12),
    batches=st.integers(0, 2),
)
def test_it_equals_a_plain_loop(target, box_rows, seed, scale, count, batches):
    loss, embeddings = build(target, count, scale=scale), people(len(box_rows), seed)
    ids = torch.tensor(box_rows, dtype=torch.int64)
    for _ in range(batches):
        loss.update()
    own = ids[ids != NO_ROW]
    sampled = sampled_rows(own, ROWS, count, SEED, batches).tolist()
    value = loss(embeddings, ids)[BOX_TABLE]
    expected = plain(target, embeddings, box_rows, TABLE, sampled, scale)
    assert value.item() == pytest.approx(expected, abs=1e-5)
    assert torch.isfinite(gradient(value, embeddings)).all()


@every_target
@pytest.mark.parametrize("count", [2048, 5])
def test_order_of_people_does_not_matter(target, count):
    loss, embeddings = build(target, count), people()
    order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
    one = loss(embeddings, BOX_ROWS)[BOX_TABLE]
    other = loss(embeddings[order], BOX_ROWS[order])[BOX_TABLE]
    torch.testing.assert_close(one, other)


@every_target
def test_people_without_a_row_get_no_gradient_and_change_nothing(target):
    loss, embeddings, known = build(target), people(), BOX_ROWS != NO_ROW
    value = loss(embeddings, BOX_ROWS)[BOX_TABLE]
    torch.testing.assert_close(value, loss(embeddings[known], BOX_ROWS[known])[BOX_TABLE])
    assert (gradient(value, embeddings)[~known] == 0).all()


@every_target
@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("drawn", [5, 2048])
def test_without_rows_loss_and_gradient_are_zero(target, count, drawn):
    embeddings = people(count)
    value = build(target, drawn)(embeddings, torch.full((count,), NO_ROW))[BOX_TABLE]
    assert value.item() == 0.0
    assert torch.equal(gradient(value, embeddings), torch.zeros(count, DIM))


@every_target
def test_one_person_gives_finite_gradients(target):
    embeddings = people(1)
    value = build(target)(embeddings, torch.tensor([4]))[BOX_TABLE]
    found = gradient(value, embeddings)
    assert torch.isfinite(found).all()
    assert (value.item() == 0) == (target == "relational")  # one person has no relations


@every_target
def test_gradient_is_the_derivative(target):
    embeddings = unit(7, 1, torch.float64).requires_grad_()
    loss = build(target, table=TABLE.double())
    loss.rows_of = lambda box_rows: loss.rows[box_rows]
    assert torch.autograd.gradcheck(lambda rows: loss(rows, BOX_ROWS)[BOX_TABLE], (embeddings,))


@every_target
def test_zero_at_the_rows_themselves(target):
    ids = torch.arange(ROWS)
    # Rows in float16 are of unit length to 5e-4.
    assert abs(build(target)(TABLE.float(), ids)[BOX_TABLE].item()) < 5e-4


def test_relations_do_not_mind_a_rotation():
    rotation, _ = torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(3)))
    turned = TABLE.float() @ rotation
    assert build("relational")(turned, torch.arange(ROWS))[BOX_TABLE].item() < 1e-6
    assert build("cosine")(turned, torch.arange(ROWS))[BOX_TABLE].item() > 0.1


@every_target
def test_the_rows_are_held_once_and_in_no_checkpoint(target):
    table = TABLE.clone()
    loss = build(target, table=table)
    assert loss.rows.data_ptr() == table.data_ptr()
    assert loss.rows.dtype == torch.float16
    assert set(loss.state_dict()) == ({"batches"} if target == "kl" else set())
    assert not list(loss.parameters())
    embeddings = people()
    loss(embeddings, BOX_ROWS)[BOX_TABLE].backward()
    loss.update()
    assert torch.equal(table, TABLE)


@given(
    rows=st.integers(1, 40),
    count=st.integers(1, 45),
    step=st.integers(0, 5),
    own=st.lists(st.integers(0, 39), max_size=20),
)
def test_a_draw_has_the_peoples_rows_and_each_once(rows, count, step, own):
    people_rows = torch.tensor([row % rows for row in own], dtype=torch.int64)
    drawn = sampled_rows(people_rows, rows, count, SEED, step)
    found, wanted = drawn.tolist(), set(people_rows.tolist())
    assert found == sorted(set(found))
    assert wanted <= set(found)
    assert all(0 <= row < rows for row in found)
    assert len(found) == min(max(count, len(wanted)), rows)
    assert torch.equal(drawn, sampled_rows(people_rows.flip(0), rows, count, SEED, step))


def test_draws_differ_by_step_and_seed_and_leave_nobody_out():
    nobody = torch.zeros(0, dtype=torch.int64)
    draws = [tuple(sampled_rows(nobody, 20, 5, SEED, step).tolist()) for step in range(200)]
    assert len(set(draws)) > 150
    assert sampled_rows(nobody, 20, 5, SEED + 1, 0).tolist() != list(draws[0])
    often = np.bincount(np.concatenate(draws), minlength=20)
    assert often.min() > 25  # 50 each are expected, give or take 6
    assert often.max() < 75


def test_the_steps_draw_is_counted_and_goes_on_from_a_checkpoint():
    loss, embeddings = build("kl", count=6), people()
    values = []
    for _ in range(4):
        values.append(loss(embeddings, BOX_ROWS)[BOX_TABLE].item())
        loss.update()
    assert len(set(values)) > 2
    resumed = build("kl", count=6)
    for _ in range(2):
        resumed.update()
    again = build("kl", count=6)
    again.load_state_dict(resumed.state_dict())
    assert again(embeddings, BOX_ROWS)[BOX_TABLE].item() == values[2]


@pytest.mark.parametrize("target", ["lut", "lut_ema", "oim"])
def test_classification_by_box_is_refused(target):
    with pytest.raises(UserError, match=r"'boxes.target': .*a person's other boxes would be negatives") as e:
        parse_options(BoxOptionsBelow, {"boxes": {"target": target}}, "params.yaml: x")
    assert "\n" not in str(e.value)


class BoxOptionsBelow(BoxOptions.__base__):
    """As a student's options have them."""

    boxes: BoxOptions


@every_target
@pytest.mark.parametrize("shape", [None, (ROWS, DIM + 1), (ROWS,)])
def test_a_table_that_does_not_fit_is_refused(target, shape):
    table = None if shape is None else torch.zeros(shape, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"needs a table by box of .N, 6."):
        build(target, table=table)


def numbers_of(loss):
    """What a loss was built with, as far as it is numbers."""
    return [value for value in vars(loss).values() if isinstance(value, int | float)]


@every_target
@pytest.mark.parametrize(("key", "value"), [("scale", 8.0), ("sampled_rows", 1024)])
def test_a_setting_is_looked_at_or_refused(target, key, value):
    """Also one that is the default: who states it takes it for something."""
    if target == "kl":
        plain, other = (
            build_box_loss(BoxOptions(target=target, **changed), DIM, TABLE, SEED)
            for changed in ({}, {key: value + 1})
        )
        assert numbers_of(plain) != numbers_of(other)
        return
    with pytest.raises(UserError) as error:
        parse_options(BoxOptions, {"target": target, key: value}, "x")
    assert str(error.value) == (
        f"x: parameter '{key}' has no effect: the target '{target}' does not look at it; leave it out"
    )


# Two processes.


def weighted(target, embeddings, box_rows):
    """The loss as a step weights it over devices, and its gradient."""
    table = functional.normalize(torch.randn(20, 4, generator=torch.Generator().manual_seed(2)), dim=1).half()
    options = settings_of(target, sampled_rows=9)
    loss = build_box_loss(options, 4, table, 0, gather_rows_with_gradient)
    counts = {} if loss.of_joint_batch else {BOX_TABLE: int((box_rows != NO_ROW).sum())}
    embeddings = embeddings.clone().requires_grad_()
    value = joint_losses(loss(embeddings, box_rows), lambda: counts)[BOX_TABLE]
    value.backward()
    return value.detach(), embeddings.grad


PARTS = {"some": (5, 3), "none": (0, 4), "nobody": (0, 0)}


def step_of(part):
    first, second = PARTS[part]
    generator = torch.Generator().manual_seed(4)
    embeddings = functional.normalize(torch.randn(first + second, 4, generator=generator), dim=1)
    box_rows = torch.randint(NO_ROW, 20, (first + second,), generator=generator)
    return embeddings, box_rows, first


def of_rank(rank):
    results = {}
    for target in TARGETS:
        for part in PARTS:
            embeddings, box_rows, first = step_of(part)
            own = slice(None, first) if rank == 0 else slice(first, None)
            results[target, part] = weighted(target, embeddings[own], box_rows[own])
    return results


def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path):
    ranks = in_each_process(of_rank, tmp_path)
    for (target, part), (first, _) in ranks[0].items():
        embeddings, box_rows, _ = step_of(part)
        value, gradient = weighted(target, embeddings, box_rows)
        losses = [own[target, part][0] for own in ranks]
        torch.testing.assert_close(sum(losses) / RANKS, value)
        assert first.isfinite()
        found = torch.cat([own[target, part][1] for own in ranks])
        torch.testing.assert_close(found / RANKS, gradient, msg=f"{target} {part}")  # the step's mean
