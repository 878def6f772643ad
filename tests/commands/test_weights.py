"""`person-search weights`: what is shown of a file."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.models.heads import build_student
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import Origin, save_weights
from tests.person_search.networks.test_loading import DESCRIBED, small_model
from tests.tiny import reid_options, search_options


def shown(path):
    result = CliRunner().invoke(main, ["weights", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_student(tmp_path):
    options = search_options(head="seqnet")
    origin = Origin("prw", {"data": "ab" * 32, "table": "cd" * 32})
    save_weights(tmp_path / "w", "person_search", options, build_student(options).state_dict(), origin)
    lines = [line.split(maxsplit=1) for line in shown(tmp_path / "w").splitlines()]
    assert ["network", "person-search network"] in lines
    assert ["head", "seqnet"] in lines
    assert ["embedding", f"{options.embedding_dim} dimensions"] in lines
    assert ["trained", "on  data set 'prw'"] in lines
    assert ["table", "cdcdcdcdcdcd"] in lines


def test_a_reid_model_that_does_not_say_its_data(tmp_path):
    options = reid_options()
    save_weights(tmp_path / "w", "reid", options, ReidModel(options).state_dict())
    text = shown(tmp_path / "w")
    assert f"crops       {options.crop_height} x {options.crop_width} pixels (height x width)" in text
    assert "trained on  the file does not say" in text


def test_an_exported_network(tmp_path):
    lines = shown(small_model(tmp_path / "net.onnx", DESCRIBED.as_text())).splitlines()
    assert [line.split(maxsplit=1) for line in lines[1:]] == [
        ["network", "person-search network, exported"],
        ["head", "oim"],
        ["embedding", "8 dimensions"],
        ["scenes", "short side 96, long side at most 128 pixels"],
        ["computes", "in  float32"],
        ["takes", "a picture"],
        ["made", "from    weights 000000000000"],
    ]


def test_an_exported_network_that_embeds_boxes_in_a_batch(tmp_path):
    text = replace(DESCRIBED, task="embed", batch=True, precision="float16").as_text()
    said = shown(small_model(tmp_path / "net.onnx", text))
    assert "takes        several pictures of one size, with boxes that it embeds" in said
    assert "computes in  float16" in said


def test_an_onnx_model_of_somebody_else(tmp_path):
    result = CliRunner().invoke(main, ["weights", str(small_model(tmp_path / "net.onnx", None))])
    assert result.exit_code == 2
    assert "net.onnx was not written by `person-search export`" in result.stderr and not result.stdout


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_no_weight_file(content, tmp_path):
    if content is not None:
        (tmp_path / "w").write_bytes(content)
    result = CliRunner().invoke(main, ["weights", str(tmp_path / "w")])
    assert result.exit_code == 2
    assert str(tmp_path / "w") in result.stderr and not result.stdout
