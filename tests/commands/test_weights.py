"""`person-search weights`: what is shown of a file."""

import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.models.heads import build_student
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import Origin, save_weights
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


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_no_weight_file(content, tmp_path):
    if content is not None:
        (tmp_path / "w").write_bytes(content)
    result = CliRunner().invoke(main, ["weights", str(tmp_path / "w")])
    assert result.exit_code == 2
    assert str(tmp_path / "w") in result.stderr and not result.stdout
