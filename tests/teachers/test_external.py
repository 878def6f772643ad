"""Models that somebody else trained: what they are given, their own batch, and what is wrong with them."""

import sys

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.onnx import load_onnx
from pipeline.inference.teachers.torchscript import load_torchscript
from tests.teachers.models import (
    DESCRIPTION,
    DIM,
    HEIGHT,
    WIDTH,
    crops_of,
    describe,
    unit,
    weights,
    write_onnx,
    write_torchscript,
)

CPU = torch.device("cpu")
LOADERS = {"onnx": (write_onnx, load_onnx), "torchscript": (write_torchscript, load_torchscript)}


def by_hand(crops, matrix, channels="rgb", scale=1.0, mirror=False, **_):
    """What a model gives, slowly: a pixel at a time is brought to what it takes."""
    if mirror:
        one, other = (by_hand(part, matrix, channels, scale) for part in (crops, crops[..., ::-1]))
        return (one + other) / 2
    given = np.zeros(crops.shape)
    for place in range(3):
        source = place if channels == "rgb" else 2 - place
        mean, std = DESCRIPTION["mean"][place], DESCRIPTION["std"][place]
        given[:, place] = (crops[:, source].astype(np.float64) * scale - mean) / std
    return unit(given.reshape(len(crops), -1) @ matrix)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize(
    "described",
    [{}, {"channels": "bgr", "scale": 255}, {"mirror": True}, {"channels": "bgr", "mirror": True}],
)
def test_a_model_is_given_what_its_yaml_says(kind, described, tmp_path):
    write, load = LOADERS[kind]
    model = load(write(tmp_path / "model.pt", **described), CPU)
    crops = crops_of(5)
    assert model.size == (HEIGHT, WIDTH)
    expected = by_hand(crops.numpy(), weights(), **described)
    np.testing.assert_allclose(model.embed(crops).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_fixed_batch_gives_the_rows_of_a_free_one(kind, count, tmp_path):
    write, load = LOADERS[kind]
    free = load(write(tmp_path / "free.onnx"), CPU)
    fixed = {"batch": 3} if kind == "onnx" else {}
    own = load(write(tmp_path / "fixed.onnx", **fixed), CPU)
    if kind == "torchscript":
        describe(tmp_path / "fixed.onnx", batch=3)
        own = load(tmp_path / "fixed.onnx", CPU)
    crops = crops_of(count)
    rows = own.embed(crops)
    assert rows.shape == (count, DIM)
    np.testing.assert_allclose(rows, free.embed(crops), atol=1e-5)
    one_by_one = torch.cat([free.embed(crop[None]) for crop in crops])
    np.testing.assert_allclose(rows, one_by_one, atol=1e-5)


def test_an_output_of_four_sides_and_one_of_several(tmp_path):
    plain = load_onnx(write_onnx(tmp_path / "plain.onnx"), CPU).embed(crops_of(3))
    tall = load_onnx(write_onnx(tmp_path / "tall.onnx", rank=4), CPU)
    named = load_onnx(write_onnx(tmp_path / "two.onnx", outputs=("a", "b"), output="b"), CPU)
    np.testing.assert_array_equal(tall.embed(crops_of(3)), plain)
    np.testing.assert_array_equal(named.embed(crops_of(3)), plain)
    for form, name in (("tuple", "1"), ("dict", "embedding")):
        scripted = load_torchscript(write_torchscript(tmp_path / f"{form}.pt", form=form, output=name), CPU)
        np.testing.assert_allclose(scripted.embed(crops_of(3)), plain, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outputs": ("a", "b")}, "has several outputs ('a', 'b'); name the embedding: `output`"),
        ({"output": "z"}, "has no output 'z', which its YAML names; it has 'features'"),
        ({"inputs": ("a", "b")}, "must have one input, the crops; it has 'a', 'b'"),
        ({"height": 99}, "takes ['N', 3, 16, 8]; crops are [N, 3, height, width], by its YAML [N, 3, 99, 8]"),
        ({"sides": (HEIGHT, WIDTH, 3)}, "takes ['N', 16, 8, 3]"),
        ({"sides": (3 * HEIGHT * WIDTH,)}, "takes ['N', 384]"),
        ({"channels": "grey"}, "parameter 'channels'"),
        ({"std": [1.0, 0.0, 1.0]}, "'std': all must be greater than 0"),
        ({"mean": [1.0]}, "parameter 'mean'"),
        ({"scale": ...}, "parameter 'scale' is missing"),
        ({"heigth": 3}, "unknown parameter 'heigth'; known here: batch, channels"),
    ],
)
def test_an_onnx_model_or_yaml_that_is_wrong_is_one_line(changes, says, tmp_path):
    path = write_onnx(tmp_path / "model.onnx", **changes)
    with pytest.raises(UserError) as error:
        load_onnx(path, CPU)
    assert says in str(error.value)
    assert str(tmp_path / "model.") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_batch_that_the_onnx_file_contradicts_is_one_line(tmp_path):
    path = write_onnx(tmp_path / "model.onnx", batch=1)
    describe(path, batch=8)
    with pytest.raises(UserError, match=r"model.onnx: its batch is fixed to 1, its YAML says `batch: 8`"):
        load_onnx(path, CPU)
    for says in ({}, {"batch": 1}):
        describe(path, **says)
        assert load_onnx(path, CPU).embed(crops_of(3)).shape == (3, DIM)


def test_a_model_without_yaml_or_that_is_none(tmp_path):
    path = write_onnx(tmp_path / "model.onnx")
    path.with_suffix(".yaml").unlink()
    for load in (load_onnx, load_torchscript):
        with pytest.raises(UserError, match=r"no .*model.yaml, which says .* for example: {height: 256"):
            load(path, CPU)
    describe(path)
    path.write_bytes(b"\x08\x08\x12\x05hello")
    with pytest.raises(UserError, match="is not a readable ONNX model") as error:
        load_onnx(path, CPU)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="is not a readable TorchScript model") as error:
        load_torchscript(path, CPU)
    assert "\n" not in str(error.value)
    torch.save({"layer": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="is not a readable ONNX model, but a PyTorch file"):
        load_onnx(path, CPU)
    with pytest.raises(UserError, match=r"weights alone \(a state dict\) do not hold the network"):
        load_torchscript(path, CPU)


@pytest.mark.parametrize(
    ("form", "output", "says"),
    [
        ("tuple", None, "has several outputs ('0', '1')"),
        ("dict", "z", "has no output 'z'"),
        ("tensor", "z", "has one output without a name"),
        ("tuple", "0", "gives [3, 3, 16, 8] for 3 crops; embeddings are [3, D]"),
    ],
)
def test_what_torchscript_gives_is_wrong(form, output, says, tmp_path):
    described = {} if output is None else {"output": output}
    model = load_torchscript(write_torchscript(tmp_path / "model.pt", form=form, **described), CPU)
    with pytest.raises(UserError) as error:
        model.embed(crops_of(3))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_that_fails_on_its_crops_is_one_line(tmp_path):
    onnx = write_onnx(tmp_path / "model.onnx", sides=("C", "H", "W"), height=HEIGHT + 1)
    script = write_torchscript(tmp_path / "model.pt", height=HEIGHT + 1)
    for model in (load_onnx(onnx, CPU), load_torchscript(script, CPU)):
        with pytest.raises(UserError, match=r"fails on crops \[2, 3, 17, 8\]") as error:
            model.embed(torch.zeros(2, 3, HEIGHT + 1, WIDTH))
        assert "\n" not in str(error.value)


class Asserting(torch.nn.Module):
    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        assert crops.shape[0] > 99, "too few crops"
        return crops.flatten(1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_an_assertion_in_a_torchscript_model_is_one_line(tmp_path):
    torch.jit.script(Asserting()).save(str(tmp_path / "model.pt"))
    describe(tmp_path / "model.pt")
    model = load_torchscript(tmp_path / "model.pt", CPU)
    with pytest.raises(UserError, match=r"model.pt fails on crops \[2, .*too few crops$") as error:
        model.embed(crops_of(2))
    assert "\n" not in str(error.value)


def test_without_onnx_runtime_a_line_says_how_to_get_it(tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed, .*: pip install '.\[onnx\]'"):
        load_onnx(path, CPU)
