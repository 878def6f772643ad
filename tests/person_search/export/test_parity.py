"""ONNX Runtime finds and embeds what PyTorch does."""

import numpy as np
import onnx
import onnxruntime
import pytest

from person_search.networks.exported_file import ExportedFile
from person_search.networks.onnx_network import OnnxNetwork
from tests.person_search.networks.students import picture

BOXES = np.array([[10.0, 8.0, 40.0, 60.0], [0.0, 0.0, 100.0, 20.5], [-5.0, 3.0, 30.0, 400.0]], np.float32)
BLACK = np.zeros((64, 64, 3), np.uint8)
"""A picture in which the student of `one_picture` finds nobody."""


def check_same(found, expected, cosine=0.9999):
    assert len(found.scores) == len(expected.scores)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-2, rtol=0)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4, rtol=0)
    assert cosines(found.embeddings, expected.embeddings).min(initial=1) >= cosine
    assert found.boxes.dtype == found.scores.dtype == found.embeddings.dtype == np.float32


def cosines(rows, others):
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    return (rows * others).sum(axis=1)


def overlaps(boxes, others):
    """Return the IoU of each box with each other one, `[N, M]`."""
    upper = np.maximum(boxes[:, None, :2], others[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = (lower - upper).clip(min=0).prod(axis=2)
    areas = [(sides[:, 2:] - sides[:, :2]).prod(axis=1) for sides in (boxes, others)]
    return common / (areas[0][:, None] + areas[1][None] - common)


def test_scenes_of_several_sizes_are_searched_the_same(one_picture, scenes):
    network, path = one_picture
    found, expected = OnnxNetwork(path).detect(scenes), network.detect(scenes)
    for own, other in zip(found, expected, strict=True):
        check_same(own, other)
    assert sum(len(people.scores) for people in found) > len(scenes)


@pytest.mark.parametrize("size", [(13, 120), (64, 1), (1, 100), (401, 300), (96, 128)])
def test_pictures_of_odd_sizes_are_embedded_the_same(one_picture, size):
    network, path = one_picture
    pixels = picture(*size)
    assert cosines(OnnxNetwork(path).embed(pixels, BOXES), network.embed(pixels, BOXES)).min() >= 0.9999


def test_a_picture_without_people(one_picture):
    network, path = one_picture
    loaded = OnnxNetwork(path)
    (expected,), (found,) = network.detect([BLACK]), loaded.detect([BLACK])
    assert len(expected.boxes) == 0
    check_same(found, expected)
    assert found.embeddings.shape == (0, 16)
    assert loaded.detect([]) == []
    assert loaded.embed(BLACK, np.zeros((0, 4), np.float32)).shape == (0, 16)


def test_a_batch_is_searched_as_its_pictures(batch, scenes):
    """The first three scenes are of one size; the others go through the graph alone."""
    network, path = batch
    loaded = OnnxNetwork(path)
    for own, other in zip(loaded.detect(scenes), network.detect(scenes), strict=True):
        assert len(own.scores) > 0
        check_same(own, other)
    assert cosines(loaded.embed(scenes[3], BOXES), network.embed(scenes[3], BOXES)).min() >= 0.9999


def test_half_embeds_boxes_nearly_the_same(half, scenes):
    network, path = half
    loaded = OnnxNetwork(path)
    for pixels in scenes:
        assert cosines(loaded.embed(pixels, BOXES), network.embed(pixels, BOXES)).min() >= 0.999


def test_half_finds_nearly_the_same(half, scenes):
    """Of two overlapping boxes of nearly equal scores the other may be kept: not all are found again."""
    network, path = half
    again, people = 0, 0
    for own, other in zip(OnnxNetwork(path).detect(scenes), network.detect(scenes), strict=True):
        overlap = overlaps(other.boxes, own.boxes)
        nearest, same = overlap.argmax(axis=1), overlap.max(axis=1) > 0.98
        people, again = people + len(same), again + same.sum()
        assert cosines(own.embeddings[nearest], other.embeddings)[same].min(initial=1) >= 0.999
        assert np.abs(own.scores[nearest] - other.scores)[same].max(initial=0) < 5e-3
    assert again >= 0.8 * people > 40


def test_a_file_of_half_is_smaller(half):
    weights = onnx.load(half[1]).graph.initializer
    kinds = {weight.name: weight.data_type for weight in weights if len(weight.dims) == 4}
    outputs = {name for name in kinds if "cls_logits" in name or "bbox_pred" in name}
    assert len(outputs) == 2
    assert {kinds[name] for name in outputs} == {onnx.TensorProto.FLOAT}
    assert {kinds[name] for name in kinds.keys() - outputs} == {onnx.TensorProto.FLOAT16}


def test_a_file_says_what_it_is(one_picture):
    network, path = one_picture
    loaded = OnnxNetwork(path)
    assert loaded.described.weights_sha256 == loaded.model_hash == network.model_hash
    assert loaded.described == ExportedFile(
        "oim", 16, dict(network.preprocessing), network.model_hash, "float32", False, "search"
    )
    assert loaded.preprocessing == network.preprocessing
    assert loaded.embedding_dim == network.embedding_dim


def test_nothing_of_this_machine_is_in_a_file(one_picture):
    content = one_picture[1].read_bytes()
    assert b"search_graph.py" not in content
    assert b"/torch/" not in content


def test_only_a_picture_must_be_given_and_sizes_have_names(one_picture, scenes):
    session = onnxruntime.InferenceSession(one_picture[1].read_bytes())
    (only,) = session.get_inputs()
    assert (only.name, only.shape, only.type) == ("picture", ["height", "width", 3], "tensor(uint8)")
    shapes = {output.name: output.shape for output in session.get_outputs()}
    assert shapes == {
        "boxes": ["people", 4],
        "scores": ["people"],
        "embeddings": ["people", 16],
        "given_embeddings": ["given", 16],
    }
    *_, given = session.run(None, {"picture": scenes[0]})
    assert given.shape == (0, 16)
