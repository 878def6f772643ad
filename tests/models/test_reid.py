"""The re-identification model."""

import pytest
import torch

from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.inference.crops import embed_both_ways, embed_crops
from pipeline.models.reid import ReidModel
from tests.tiny import TRAIN_SCENES, reid_options, silent


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = ReidModel(reid_options())
    model.train()(torch.rand(8, 3, 32, 16))
    return model.eval()


def test_embeddings_are_unit_and_the_features_are_not_the_same(model):
    with torch.no_grad():
        features, embeddings = model(torch.rand(4, 3, 32, 16))
    assert features.shape == embeddings.shape == (4, 16)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    assert not torch.allclose(torch.nn.functional.normalize(features, dim=1), embeddings)


def test_together_is_as_one_by_one(model):
    crops = torch.rand(4, 3, 32, 16)
    with torch.no_grad():
        together = model(crops)[1]
        alone = torch.cat([model(crop[None])[1] for crop in crops])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_both_ways_does_not_see_which_way_a_person_walks(model):
    crops = torch.rand(4, 3, 32, 16)
    torch.testing.assert_close(embed_both_ways(model, crops), embed_both_ways(model, crops.flip(-1)))


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_embedding_all_crops(batch_size, model, prepared, tmp_path):
    crops = prepare(LabelledCrops(prepared, "train"), tmp_path / "crops", silent)
    seen = []
    embeddings, people = embed_crops(
        model,
        crops.split("train"),
        crops.images("train"),
        batch_size,
        torch.device("cpu"),
        lambda *done: seen.append(done),
    )
    count = 2 * (TRAIN_SCENES - 1)
    assert embeddings.shape == (count, 16)
    assert people.tolist() == [int(crop.person_ids[0]) for crop in crops.split("train").scenes]
    assert seen[-1] == (count, count)
    cpu = torch.device("cpu")
    reference, _ = embed_crops(model, crops.split("train"), crops.images("train"), 7, cpu, silent)
    torch.testing.assert_close(torch.from_numpy(embeddings), torch.from_numpy(reference), atol=1e-5, rtol=0)
