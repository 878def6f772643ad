"""How table and queue move."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.losses.identity.table import FrozenTable, OnlineInstanceMatching, update_rows
from pipeline.scenes.scene import UNLABELLED

DIM = 4


def unit_rows(count, seed=0):
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(rows, dim=1)


@given(
    ids=st.lists(st.integers(0, 3), max_size=12),
    momentum=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    written=st.booleans(),
)
def test_update_equals_one_person_after_another(ids, momentum, written):
    table = unit_rows(4, seed=1) if written else torch.zeros(4, DIM, dtype=torch.float64)
    expected, embeddings = table.clone(), unit_rows(len(ids), seed=2)
    for person, embedding in zip(ids, embeddings, strict=True):
        moved = momentum * expected[person] + (1 - momentum) * embedding
        expected[person] = moved / moved.norm()
    update_rows(table, embeddings, torch.tensor(ids, dtype=torch.int64), momentum)
    torch.testing.assert_close(table, expected)


@given(ids=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_updated_rows_are_unit_and_the_others_stay(ids):
    before = unit_rows(4, seed=1)
    table = before.clone()
    update_rows(table, unit_rows(len(ids), seed=2), torch.tensor(ids), 0.5)
    torch.testing.assert_close(table.norm(dim=1), torch.ones(4, dtype=torch.float64))
    others = [person for person in range(4) if person not in ids]
    assert torch.equal(table[others], before[others])


@given(size=st.integers(0, 5), batches=st.lists(st.integers(0, 12), max_size=5))
def test_the_queue_holds_the_newest(size, batches):
    loss = OnlineInstanceMatching(torch.zeros(1, DIM, dtype=torch.float64), size, 0.5, 1.0)
    places, position = [torch.zeros(DIM, dtype=torch.float64)] * size, 0
    for seen, count in enumerate(batches):
        embeddings = unit_rows(count, seed=seen)
        for embedding in embeddings if size else []:
            places[position] = embedding
            position = (position + 1) % size
        loss.update(embeddings, torch.full((count,), UNLABELLED))
    assert torch.equal(loss.queue, torch.stack(places) if size else torch.zeros(0, DIM))
    assert int(loss.queue_position) == position


def test_labelled_people_stay_out_of_the_queue():
    loss = OnlineInstanceMatching(torch.zeros(3, DIM, dtype=torch.float64), 2, 0.5, 1.0)
    rows = unit_rows(3)
    loss.update(rows, torch.tensor([2, UNLABELLED, 0]))
    assert torch.equal(loss.queue, torch.stack([rows[1], torch.zeros(DIM)]))
    assert torch.equal(loss.table[1], torch.zeros(DIM))
    torch.testing.assert_close(loss.table[[2, 0]], rows[[0, 2]])


def test_a_frozen_table_still_queues():
    table, rows = unit_rows(2), unit_rows(2, seed=5)
    loss = FrozenTable(table, 2, 1.0)
    loss.update(rows, torch.tensor([UNLABELLED, 1]))
    assert torch.equal(loss.table, table)
    assert torch.equal(loss.queue[0], rows[0])


def test_no_gradient_reaches_the_state():
    loss = OnlineInstanceMatching(torch.zeros(2, DIM), 2, 0.5, 1.0)
    embeddings = unit_rows(2).float().requires_grad_()
    loss.update(embeddings, torch.tensor([0, UNLABELLED]))
    assert not loss.table.requires_grad
    assert not loss.queue.requires_grad
