"""What is refused, and what an 8-bit file and one that only embeds do."""

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from commands.main import main
from person_search.export.calibration import calibration_scenes
from person_search.export.exporting import export_network
from person_search.networks.onnx_network import OnnxNetwork
from person_search.networks.torch_network import TorchNetwork
from pipeline.basics.errors import UserError
from pipeline.batches.pictures import decode
from tests.person_search.networks.students import CPU, student, written


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return written(tmp_path_factory.mktemp("weights") / "student.safetensors", student())


def test_a_name_that_no_command_would_know_is_refused(weights, tmp_path):
    result = export(weights, tmp_path / "out.txt")
    assert result.exit_code == 2
    assert "call it NAME.onnx" in result.output
    assert not any(tmp_path.iterdir())


def export(weights, out, *more):
    return CliRunner().invoke(main, ["export", "--weights", str(weights), "--out", str(out), *more])


@pytest.fixture(scope="module")
def in_8_bits(weights, prepared):
    """An 8-bit file that embeds boxes alone, and what the command said."""
    out = weights.with_name("int8.onnx")
    result = export(weights, out, "--int8", "--calibration", str(prepared.root), "--embed-only")
    assert result.exit_code == 0, result.output
    return out, result.stdout


def test_8_bits_embed_nearly_the_same(in_8_bits, weights, prepared):
    network, loaded = TorchNetwork(weights, CPU), OnnxNetwork(in_8_bits[0])
    for index, scene in enumerate(prepared.split("test").scenes):
        pixels = decode(prepared.images("test")[index]).permute(1, 2, 0).numpy()
        boxes = scene.boxes.astype(np.float32)
        cosines = (network.embed(pixels, boxes) * loaded.embed(pixels, boxes)).sum(axis=1)
        assert cosines.min(initial=1) > 0.98


def test_layers_of_8_bits_are_convolutions_alone(in_8_bits):
    model = onnx.load(in_8_bits[0])
    kinds = {weight.name: weight.data_type for weight in model.graph.initializer if weight.dims}
    of_8_bits = [name for name, kind in kinds.items() if kind == onnx.TensorProto.INT8]
    assert len(of_8_bits) > 10
    assert not any("embedding" in name for name in of_8_bits)
    assert kinds["network.embedding.weight"] == onnx.TensorProto.FLOAT


def test_the_command_says_what_it_wrote(in_8_bits):
    out, said = in_8_bits
    assert said.startswith(f"{out}: embeds boxes, head oim, 16 numbers a person, int8, ")
    network = OnnxNetwork(out)
    assert network.described.precision == "int8"
    assert network.model_hash != network.described.weights_sha256  # its embeddings are not quite the same


def test_a_file_that_embeds_finds_nobody(in_8_bits):
    with pytest.raises(UserError, match="embeds boxes and finds nobody; export it without --embed-only"):
        OnnxNetwork(in_8_bits[0]).detect([np.zeros((64, 64, 3), np.uint8)])


def test_calibration_scenes_show_people(prepared, weights):
    network = TorchNetwork(weights, CPU)
    shown = calibration_scenes(prepared.root, network._network, most=5)
    assert len(shown) == 5
    assert all(len(boxes) > 0 and pixels.dtype == np.uint8 for pixels, boxes in shown)
    with pytest.raises(UserError, match="no prepared data set"):
        calibration_scenes(prepared.root / "not there", network._network)


def test_a_student_that_finds_nobody_cannot_be_calibrated(prepared):
    network = student()
    network.options = network.options.model_copy(
        update={"roi": network.options.roi.model_copy(update={"score_threshold": 0.999})}
    )
    with pytest.raises(UserError, match="the student finds nobody in 9 training scenes"):
        calibration_scenes(prepared.root, network)


def test_a_query_guided_network_is_refused(tmp_path):
    path = written(tmp_path / "qeeps.safetensors", student(head="qeeps"))
    with pytest.raises(UserError, match=r"query-guided network .* export another student"):
        export_network(path, tmp_path / "qeeps.onnx")
    assert not (tmp_path / "qeeps.onnx").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--half", "--int8", "--calibration", "x"], "--half and --int8 exclude each other"),
        (["--int8"], "--int8 and --calibration go together"),
        (["--calibration", "x"], "--int8 and --calibration go together"),
        (["--int8", "--calibration", "not there"], "no prepared data set in not there"),
    ],
)
def test_options_that_do_not_go_together_end_in_one_line(weights, tmp_path, more, line):
    result = export(weights, tmp_path / "out.onnx", *more)
    assert result.exit_code == 2
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out.onnx").exists()


def test_weights_and_places_that_are_no_good_end_in_one_line(weights, tmp_path):
    (tmp_path / "file").write_text("")
    for given, out, line in (
        (tmp_path / "none", tmp_path / "out.onnx", "no weight file at"),
        (weights, tmp_path / "file" / "out.onnx", "is a file; give a folder"),
        (tmp_path / "file", tmp_path / "out.onnx", "it is empty (0 bytes)"),
    ):
        result = export(given, out)
        assert result.exit_code == 2
        assert line in result.stderr
        assert result.stderr.count("\n") == 1
