"""A student in PyTorch as a `SearchNetwork`: what `search` gives, and pictures that are no good."""

import hashlib

import numpy as np
import pytest
import torch

from person_search.networks.preprocessing import IMAGENET_MEAN, IMAGENET_STD, SIZE_DIVISIBLE
from person_search.networks.torch_network import TorchNetwork
from pipeline.basics.errors import UserError
from pipeline.models import backbones
from tests.person_search.networks.students import CPU, picture, student, written

BOXES = np.array([[10.0, 8.0, 40.0, 60.0], [0.0, 0.0, 128.0, 96.0]], np.float32)


@pytest.fixture(scope="module", params=["oim", "seqnet", "qeeps"])
def student_and_file(request, tmp_path_factory):
    network = student(head=request.param)
    return network, written(tmp_path_factory.mktemp("weights") / "student.safetensors", network)


def test_it_finds_and_embeds_what_search_does(student_and_file):
    network, path = student_and_file
    pixels = picture(96, 128)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    (expected,), (given,) = network.search([tensor], [torch.from_numpy(BOXES)])
    loaded = TorchNetwork(path, CPU)
    (found,) = loaded.detect([pixels])
    assert len(found.boxes) > 0
    for name in ("boxes", "scores", "embeddings"):
        values = getattr(found, name)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[name].numpy())
    np.testing.assert_allclose(loaded.embed(pixels, BOXES), given.numpy(), atol=1e-6)
    assert np.all(np.diff(found.scores) <= 0)
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)


def test_a_picture_is_found_the_same_whatever_is_beside_it(student_and_file):
    loaded = TorchNetwork(student_and_file[1], CPU)
    pictures = [picture(96, 128), picture(50, 200), picture(96, 128, seed=1), picture(61, 47)]
    together = loaded.detect(pictures)
    for alone, beside in zip(pictures, together, strict=True):
        (expected,) = loaded.detect([alone])
        np.testing.assert_array_equal(beside.boxes, expected.boxes)
        np.testing.assert_array_equal(beside.embeddings, expected.embeddings)


def test_a_narrow_picture_changes_nothing_for_later_ones(student_and_file):
    before, after = (TorchNetwork(student_and_file[1], CPU) for _ in range(2))
    narrow, usual = picture(20, 128), picture(96, 128)
    (expected,), (found_narrow,) = before.detect([usual]), before.detect([narrow])
    (first,), (found,) = after.detect([narrow]), after.detect([usual])
    np.testing.assert_array_equal(first.embeddings, found_narrow.embeddings)
    np.testing.assert_array_equal(found.embeddings, expected.embeddings)


def test_it_says_what_it_is(student_and_file):
    network, path = student_and_file
    loaded = TorchNetwork(path, CPU)
    assert loaded.model_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.embedding_dim == network.options.embedding_dim
    assert loaded.preprocessing["short_side"] == network.options.short_side
    assert loaded.preprocessing["long_side"] == network.options.long_side


def test_the_preprocessing_is_the_pipelines(student_and_file):
    transform = student_and_file[0].transform
    assert [*IMAGENET_MEAN] == backbones.IMAGENET_MEAN == transform.image_mean
    assert [*IMAGENET_STD] == backbones.IMAGENET_STD == transform.image_std
    assert transform.size_divisible == SIZE_DIVISIBLE


@pytest.mark.parametrize("shape", [(2, 3000, 3), (3000, 2, 3), (0, 10, 3), (0, 0, 3)])
def test_a_picture_that_is_too_narrow_is_refused(student_and_file, shape):
    loaded = TorchNetwork(student_and_file[1], CPU)
    narrow = np.zeros(shape, np.uint8)
    line = f"too narrow to look for people in: {shape[1]} x {shape[0]} pixels"
    with pytest.raises(UserError, match=line):
        loaded.detect([picture(96, 128), narrow])
    with pytest.raises(UserError, match=line):
        loaded.embed(narrow, BOXES)


def test_nothing_in_nothing_out(student_and_file):
    loaded = TorchNetwork(student_and_file[1], CPU)
    assert loaded.detect([]) == []
    assert loaded.embed(picture(96, 128), np.zeros((0, 4), np.float32)).shape == (0, 16)
