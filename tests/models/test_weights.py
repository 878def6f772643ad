"""Weight files: what is written is what is read, in the same bytes, and nothing else passes."""

import json
import random

import h5py
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline.basics.errors import UserError
from pipeline.models.detector import Detector
from pipeline.models.heads import build_student, load_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import FORMAT_VERSION, Origin, describe_weights, save_weights
from tests.tiny import detector_options, reid_options, search_options

NETWORKS = {
    "detector": (Detector, detector_options, Detector.load),
    "reid": (ReidModel, reid_options, ReidModel.load),
    "person_search": (PersonSearchNetwork, search_options, load_student),
}


HEADS = {"seqnet": {"head": "seqnet"}, "at_proposal": {"embed_at": "proposal"}}


def output_of(network, kind):
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        if kind == "reid":
            return [*network(images[:, :, :32, :16])]
        if kind == "detector":
            return [value for found in network.detect(list(images)) for value in found.values()]
        detections, given = network.search(list(images), [torch.tensor([[5.0, 6.0, 30.0, 50.0]])] * 2)
        return [*given, *(value for found in detections for value in found.values())]


@pytest.fixture(params=NETWORKS)
def written(request, tmp_path):
    """Kind, network, path and loader of a written file."""
    constructor, options, load = NETWORKS[request.param]
    torch.manual_seed(0)
    network = constructor(options()).eval()
    path = tmp_path / "models" / "w.safetensors"
    save_weights(path, request.param, options(), network.state_dict())
    return request.param, network, path, load


@pytest.mark.parametrize("head", HEADS)
def test_a_file_says_which_head_its_network_has(head, tmp_path):
    options = search_options(**HEADS[head])
    torch.manual_seed(0)
    network = build_student(options).eval()
    save_weights(tmp_path / "w", "person_search", options, network.state_dict())
    loaded = load_student(tmp_path / "w")
    assert (type(loaded), loaded.options) == (type(network), options)
    assert HEADS[head].items() <= architecture_in(tmp_path / "w").items()
    pairs = zip(output_of(network, "search"), output_of(loaded, "search"), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_an_unknown_head_is_refused(tmp_path):
    options = search_options(head="two")
    save_weights(tmp_path / "w", "person_search", options, {})
    says = "network.head: there is no 'two'; known here: oim, seqnet"
    with pytest.raises(UserError, match=says):
        load_student(tmp_path / "w")


@pytest.fixture
def student(tmp_path):
    path = tmp_path / "student.safetensors"
    save_weights(path, "person_search", search_options(), PersonSearchNetwork(search_options()).state_dict())
    return path


def refused(load, path, says):
    with pytest.raises(UserError, match=says) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_loaded_gives_the_same_output(written, monkeypatch, tmp_path):
    kind, network, path, load = written
    monkeypatch.chdir(tmp_path)
    loaded = load(path)
    assert not loaded.training
    assert all(
        torch.equal(a, b) for a, b in zip(output_of(network, kind), output_of(loaded, kind), strict=True)
    )


def test_the_same_weights_are_the_same_bytes(written):
    kind, network, path, _ = written
    again = path.with_name("again.safetensors")
    state = dict(reversed(network.to(memory_format=torch.channels_last).state_dict().items()))
    save_weights(again, kind, NETWORKS[kind][1](), state)
    assert again.read_bytes() == path.read_bytes()


def architecture_in(path):
    with safe_open(path, "pt") as file:
        return json.loads(json.loads(file.metadata()["person_search"])["architecture"])


def test_an_option_that_is_not_used_is_not_in_the_file(written):
    """So files keep the bytes that they had before there was the option."""
    architecture = architecture_in(written[2])
    assert not {"head", "embed_at"} & architecture.keys()
    assert architecture["backbone"].keys() == {"name", "width", "normalisation", "weights", "frozen_stages"}
    later = {"width", "min_size", "sampling_ratio", "box_beta"}
    assert not later & {*architecture.get("rpn", {}), *architecture.get("roi", {})}


def test_an_option_that_is_used_is_in_the_file(tmp_path):
    plain = search_options()
    options = plain.model_copy(
        update={
            "backbone": plain.backbone.model_copy(update={"tail_normalisation": "frozen_batch"}),
            "rpn": plain.rpn.model_copy(update={"width": 24, "min_size": 4.0}),
            "roi": plain.roi.model_copy(update={"box_beta": 1.0, "sampling_ratio": 2}),
        }
    )
    network = PersonSearchNetwork(options).eval()
    save_weights(tmp_path / "w", "person_search", options, network.state_dict())
    architecture = architecture_in(tmp_path / "w")
    assert architecture["backbone"]["tail_normalisation"] == "frozen_batch"
    assert (architecture["rpn"]["width"], architecture["rpn"]["min_size"]) == (24, 4.0)
    assert (architecture["roi"]["box_beta"], architecture["roi"]["sampling_ratio"]) == (1.0, 2)
    loaded = load_student(tmp_path / "w")
    assert loaded.options == options
    assert all(
        torch.equal(*pair)
        for pair in zip(output_of(network, "search"), output_of(loaded, "search"), strict=True)
    )


def test_loading_leaves_the_random_numbers_alone(student):
    before = torch.get_rng_state()
    load_student(student)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_file_names_its_architecture(student):
    with safe_open(student, "pt") as file:
        metadata = json.loads(file.metadata()["person_search"])
    assert metadata["kind"] == "person_search"
    assert json.loads(metadata["architecture"])["embedding_dim"] == 16


def test_pretrained_weights_are_not_asked_for_again(tmp_path):
    options = reid_options()
    pretrained = options.model_copy(
        update={"backbone": options.backbone.model_copy(update={"weights": "imagenet"})}
    )
    save_weights(tmp_path / "w.safetensors", "reid", pretrained, ReidModel(options).state_dict())
    assert isinstance(ReidModel.load(tmp_path / "w.safetensors"), ReidModel)


def test_another_kind(student):
    refused(Detector.load, student, "kind 'person_search', not 'detector'")


def test_no_file(tmp_path):
    refused(load_student, tmp_path / "none.safetensors", "no weight file at")


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: torch.save({"a": torch.zeros(1)}, path), "but a PyTorch file"),
        (lambda path: h5py.File(path, "w").close(), "but an HDF5 file"),
        (lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch"), "but an ONNX model"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "`git lfs pull`"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to("gone"), "is a link to gone, which does not exist"),
    ],
)
def test_a_file_of_another_kind_is_named_and_not_to_be_restored(write, says, tmp_path):
    (tmp_path / ".dvc").mkdir()
    write(tmp_path / "w.pth")
    refused(load_student, tmp_path / "w.pth", says)
    with pytest.raises(UserError) as error:
        load_student(tmp_path / "w.pth")
    assert "dvc" not in str(error.value).removeprefix(str(tmp_path))


@pytest.mark.parametrize("part", [0.0, 0.001, 0.2, 0.99])
def test_a_truncated_file(part, student):
    content = student.read_bytes()
    student.write_bytes(content[: int(part * len(content))])
    refused(load_student, student, "not a readable safetensors file")


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_any_flipped_bit_is_noticed(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("flipped") / "student.safetensors"
    options = search_options()
    torch.manual_seed(0)
    save_weights(path, "person_search", options, PersonSearchNetwork(options).state_dict())
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    generator = random.Random(seed)
    where = generator.randrange(8 * (header if seed % 2 else len(content)))
    content[where // 8] ^= 1 << where % 8
    path.write_bytes(content)
    with pytest.raises(UserError):
        load_student(path)


def test_a_foreign_file(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"format": "pt"})
    refused(load_student, tmp_path / "a.safetensors", "was not written by this program")
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    refused(load_student, tmp_path / "b.safetensors", "was not written by this program")


@pytest.mark.parametrize("entry", ["3", "[]", '{"format_version": "1"}', "null"])
def test_metadata_of_another_shape(entry, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"person_search": entry})
    refused(load_student, tmp_path / "a.safetensors", "was not written by this program")


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        (None, "does not say its architecture"),
        ("{", "does not say"),
        ("[]", "."),
        ('{"width": 1}', "backbone"),
    ],
)
def test_an_architecture_that_cannot_be_built(architecture, says, tmp_path):
    entry = {"format_version": FORMAT_VERSION, "kind": "person_search", "architecture": architecture}
    save_file(
        {"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"person_search": json.dumps(entry)}
    )
    refused(load_student, tmp_path / "a.safetensors", says)


@pytest.mark.parametrize("change", ["missing", "surplus", "shape"])
def test_tensors_that_are_not_the_architectures(change, student):
    with safe_open(student, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(student)
    if change == "missing":
        del tensors["embedding.weight"]
    elif change == "surplus":
        tensors["more"] = torch.zeros(1)
    else:
        tensors["embedding.weight"] = torch.zeros(2, 2)
    save_file(tensors, student, metadata=metadata)
    refused(load_student, student, "tensors are not those of its architecture")


ORIGIN = Origin("prw", {"data": "1" * 64, "table": "2" * 64})


def test_a_file_says_what_its_network_was_trained_on(written):
    kind, network, path, load = written
    assert describe_weights(path).origin is None
    with_origin = path.with_name("origin.safetensors")
    save_weights(with_origin, kind, NETWORKS[kind][1](), network.state_dict(), ORIGIN)
    described = describe_weights(with_origin)
    assert described.origin == ORIGIN
    assert described.kind == kind
    assert described.parameters == sum(parameter.numel() for parameter in network.parameters())
    loaded = load(with_origin).state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("change", ['"prw"', '{"data_set": "prw"}', "no JSON", 3, "\ud800"])
def test_an_origin_that_was_changed_is_damage(change, student):
    with safe_open(student, "pt") as file:
        entry = json.loads(file.metadata()["person_search"])
    save_file(load_file(student), student, metadata={"person_search": json.dumps(entry | {"origin": change})})
    refused(load_student, student, "is damaged")
    refused(describe_weights, student, "is damaged")


def test_files_of_before_that_say_no_origin_are_read(student):
    with safe_open(student, "pt") as file:
        entry = json.loads(file.metadata()["person_search"])
    del entry["origin"]
    save_file(
        load_file(student),
        student,
        metadata={"person_search": json.dumps(entry | {"format_version": "2"})},
    )
    load_student(student)
    assert describe_weights(student).origin is None


@pytest.mark.parametrize("key", ["kind", "architecture", "sha256"])
def test_a_description_without_a_part_is_damaged(key, student):
    with safe_open(student, "pt") as file:
        entry = json.loads(file.metadata()["person_search"])
    del entry[key]
    save_file(load_file(student), student, metadata={"person_search": json.dumps(entry)})
    refused(describe_weights, student, "is damaged")
