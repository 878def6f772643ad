"""Pretrained weights as people have them: any prefix and classifier, the usual files; never half a trunk."""

import argparse
import logging

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2, resnet18, resnet34, resnet50

from pipeline.basics.errors import UserError
from pipeline.models.backbones import BackboneOptions, build_backbone


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return resnet18(weights=None, num_classes=751).state_dict()


def backbone_of(path, name="resnet18", **more):
    return build_backbone(BackboneOptions(name=name, weights=str(path), **more))


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def assert_taken(backbone, state):
    assert torch.equal(backbone.stem[0][0].weight, state["conv1.weight"])
    assert torch.equal(backbone.tail[0][1].bn2.running_var, state["layer4.1.bn2.running_var"])


def problem(path, **more):
    with pytest.raises(UserError) as error:
        backbone_of(path, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def without(state, *prefixes):
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: without(state, "fc."),
        lambda state: without(state, *[key for key in state if key.endswith("num_batches_tracked")]),
        lambda state: prefixed(state, "module."),
        lambda state: {
            "state_dict": prefixed(state, "module.backbone."),
            "epoch": 3,
            "optimizer": {0: [1, None]},
        },
        lambda state: {"model": {**prefixed(state, "base."), "classifier.weight": torch.zeros(751, 512)}},
        lambda state: {
            **state,
            "bottleneck.running_mean": torch.zeros(512),
            "heads.layer1.weight": torch.ones(2),
        },
        lambda state: {
            key: value.half() if value.is_floating_point() else value for key, value in state.items()
        },
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_pytorch(wrapped, legacy, state, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(wrapped(state), path, _use_new_zipfile_serialization=not legacy)
    taken = backbone_of(path).stem[0][0].weight
    assert torch.allclose(taken, state["conv1.weight"], atol=1e-3)  # one of the files holds halves


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.backbone.body."])
@pytest.mark.parametrize("normalisation", ["batch", "frozen_batch"])
def test_safetensors_with_any_prefix(prefix, normalisation, state, tmp_path):
    save_file(prefixed(state, prefix), tmp_path / "w.safetensors")
    assert_taken(backbone_of(tmp_path / "w.safetensors", normalisation=normalisation), state)


def test_the_suffix_does_not_matter(state, tmp_path):
    torch.save(state, tmp_path / "w.safetensors")
    save_file(state, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        assert_taken(backbone_of(tmp_path / name), state)


@pytest.mark.parametrize(("name", "constructor"), [("mobilenet_v2", mobilenet_v2), ("resnet50", resnet50)])
def test_other_backbones(name, constructor, tmp_path):
    network = constructor(weights=None, num_classes=10)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    taken = build_backbone(BackboneOptions(name=name, weights=str(tmp_path / "w.pth")))
    first = next(iter(network.state_dict().values()))
    assert torch.equal(next(taken.stem.parameters()), first)


def test_it_says_how_many_were_taken(state, tmp_path, caplog):
    save_file(prefixed(state, "module."), tmp_path / "w.safetensors")
    with caplog.at_level(logging.INFO, "pipeline"):
        backbone_of(tmp_path / "w.safetensors")
    assert caplog.messages == [
        f"backbone: 120 tensors of {tmp_path}/w.safetensors taken for the trunk of resnet18; "
        "not used: module.fc.bias, module.fc.weight"
    ]


@given(kept=st.sets(st.integers(0, 119), max_size=119))
def test_never_half_a_trunk(kept, tmp_path):
    state = resnet18(weights=None).state_dict()
    required = [key for key in state if not key.startswith("fc.") and not key.endswith("num_batches_tracked")]
    part = {key: value for index, (key, value) in enumerate(state.items()) if index in kept}
    missing = [key for key in required if key not in part]
    assume(missing)
    save_file(part, tmp_path / "part.safetensors")
    assert f"{len(missing)} of {len(required)} tensors are missing" in problem(tmp_path / "part.safetensors")


def test_a_larger_network_is_not_cut_down_in_silence(tmp_path):
    save_file(resnet34(weights=None).state_dict(), tmp_path / "w.safetensors")
    assert "of a larger network than resnet18" in problem(tmp_path / "w.safetensors")


def test_other_shapes_are_named(tmp_path):
    save_file(resnet50(weights=None).state_dict(), tmp_path / "w.safetensors")
    assert "does not fit resnet18: layer1.0.conv1.weight [64, 64, 1, 1] instead of [64, 64, 3, 3]" in problem(
        tmp_path / "w.safetensors"
    )


def test_statistics_of_another_normalisation(state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    assert "another normalisation: it has bn1.running_mean" in problem(
        tmp_path / "w.safetensors", normalisation="group"
    )


def test_two_trunks_in_one_file(state, tmp_path):
    torch.save({"state_dict": state, "state_dict_ema": state}, tmp_path / "w.pth")
    assert "2 times, under state_dict., state_dict_ema." in problem(tmp_path / "w.pth")


def test_values_that_are_not_finite(state, tmp_path):
    save_file({**state, "bn1.bias": torch.full((64,), torch.nan)}, tmp_path / "w.safetensors")
    assert "not finite (bn1.bias)" in problem(tmp_path / "w.safetensors")


def test_no_code_is_run(state, tmp_path):
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    said = problem(tmp_path / "w.pth")
    assert "without running code of it" in said
    assert "torch.save(model.state_dict(), FILE)" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "neither a safetensors file nor one of PyTorch's"),
        (b"PK\x03\x04 cut off", "neither a safetensors file nor one of PyTorch's"),
        (b"\x80\x02 cut off", "backbone: "),
        (b"version https://git-lfs", "neither a safetensors file nor one of PyTorch's"),
    ],
)
def test_files_of_another_kind(content, said, tmp_path):
    (tmp_path / "w.pth").write_bytes(content)
    assert said in problem(tmp_path / "w.pth")


def test_a_file_that_is_not_there(tmp_path):
    assert "no weight file at" in problem(tmp_path / "absent.pth")


def test_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    assert "100 of 100 tensors are missing (conv1.weight, bn1.weight, bn1.bias and 97 more)" in problem(
        tmp_path / "w.pth"
    )
