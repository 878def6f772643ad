"""A small student with random weights, and pictures to search."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.models.backbones import BackboneOptions
from pipeline.models.detector import RoiOptions
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.region_proposals import RegionProposalOptions
from pipeline.models.weight_files import save_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    options = PersonSearchOptions(
        backbone=BackboneOptions(name="tiny", width=0.5),
        short_side=64,
        long_side=96,
        rpn=RegionProposalOptions(anchor_sizes=[16, 32], post_nms_test=20),
        roi=RoiOptions(pooled_height=4, pooled_width=4),
        embedding_dim=16,
    )
    path = tmp_path_factory.mktemp("weights") / "student.safetensors"
    save_weights(path, "person_search", options, PersonSearchNetwork(options).state_dict())
    return path


@pytest.fixture
def pictures(tmp_path):
    """Write a query and a gallery of two pictures; return the folder."""
    (tmp_path / "gallery").mkdir()
    for seed, name in enumerate(("query.png", "gallery/a.png", "gallery/b.png")):
        values = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / name)
    return tmp_path
