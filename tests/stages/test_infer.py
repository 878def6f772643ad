"""Stage `infer`: which galleries may be named, also for a student that searches no pairs."""

import pytest
import torch
import yaml

from pipeline.models.heads import build_student
from pipeline.models.weight_files import save_weights
from tests.models.test_qeeps import qeeps_options
from tests.pipeline_runs.in_process import run_stage
from tests.tiny import search_options


@pytest.fixture(params=["plain", "guided"])
def infer(request, prepared, tmp_path, monkeypatch):
    """Return a call of the stage in a project that names some galleries."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(prepared.root)
    options = search_options() if request.param == "plain" else qeeps_options()
    torch.manual_seed(0)
    save_weights(
        tmp_path / "models/students/one.safetensors",
        "person_search",
        options,
        build_student(options).state_dict(),
    )

    def run(galleries):
        infer = {"batch_size": 4, "context_threshold": 0.5, "galleries": galleries}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({"infer": infer, "students": {"one": {}}}))
        return run_stage("infer --student one")

    return run


def test_an_unknown_gallery_is_refused_before_the_network_is_loaded(infer, tmp_path, monkeypatch):
    monkeypatch.setattr("stages.infer.load_student", lambda _path: pytest.fail("loaded"))
    result = infer(["full", "500"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: params.yaml: infer.galleries: the test split has no gallery '500'; it has full"
    )
    assert not (tmp_path / "results").exists()


def test_a_known_gallery(infer, tmp_path):
    result = infer(["full"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "results/students/one/detections.h5").is_file()
