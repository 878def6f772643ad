"""The re-ID teacher's losses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.losses.reid import ReidLoss, ReidLossOptions, batch_hard_triplet

MARGIN = 0.3


def features_of(count, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_triplet(features, ids):
    losses = []
    for anchor, person in enumerate(ids):
        distances = [(features[anchor] - other).norm() for other in features]
        positives = [d for i, d in enumerate(distances) if ids[i] == person and i != anchor]
        negatives = [d for i, d in enumerate(distances) if ids[i] != person]
        if positives and negatives:
            losses.append(torch.relu(max(positives) - min(negatives) + MARGIN))
    return sum(losses) / len(losses) if losses else torch.zeros((), dtype=torch.float64)


@given(ids=st.lists(st.integers(0, 3), max_size=9))
def test_triplet_equals_a_plain_loop(ids):
    features = features_of(len(ids)).requires_grad_()
    value = batch_hard_triplet(features, torch.tensor(ids, dtype=torch.int64), MARGIN)["triplet"]
    expected = plain_triplet(features, ids)
    torch.testing.assert_close(value, expected)
    (gradient,) = torch.autograd.grad(value, features)
    if expected.requires_grad:
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, features)[0])
    else:
        assert (gradient == 0).all()


@given(order=st.permutations(range(6)))
def test_triplet_does_not_depend_on_the_order(order):
    features, ids = features_of(6), torch.tensor([0, 0, 1, 1, 2, 2])
    one = batch_hard_triplet(features, ids, MARGIN)["triplet"]
    torch.testing.assert_close(one, batch_hard_triplet(features[order], ids[order], MARGIN)["triplet"])


@pytest.mark.parametrize("ids", [[0, 0, 0], [0, 1, 2], [0]])
def test_triplet_without_triplets_is_zero(ids):
    features = features_of(len(ids)).requires_grad_()
    value = batch_hard_triplet(features, torch.tensor(ids), MARGIN)["triplet"]
    assert value.item() == 0
    assert (torch.autograd.grad(value, features)[0] == 0).all()


def test_triplet_of_twin_crops_has_a_finite_gradient():
    features = torch.zeros(4, 3, requires_grad=True)
    batch_hard_triplet(features, torch.tensor([0, 0, 1, 1]), MARGIN)["triplet"].backward()
    assert torch.isfinite(features.grad).all()


def test_classification_equals_cross_entropy_on_cosines():
    loss = ReidLoss(ReidLossOptions(scale=5.0, label_smoothing=0.0, triplet_weight=2.0), 3, 3).double()
    features, ids = features_of(4), torch.tensor([0, 2, 2, 0])
    embeddings = functional.normalize(features, dim=1)
    values = loss(features, embeddings, ids)
    cosines = functional.cosine_similarity(embeddings[:, None], loss.class_vectors[None], dim=-1)
    torch.testing.assert_close(values["classification"], functional.cross_entropy(5.0 * cosines, ids))
    triplet = batch_hard_triplet(features, ids, 0.3)["triplet"]
    torch.testing.assert_close(values["triplet"], 2.0 * triplet)
