"""Loading by what a file is, and files that hold no network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from person_search.networks.exported_file import METADATA, ExportedFile
from person_search.networks.loading import ONNX, load_search_network
from person_search.networks.onnx_network import OnnxNetwork
from person_search.networks.preprocessing import preprocessing_of
from person_search.networks.torch_network import TorchNetwork
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import kind_of
from tests.person_search.networks.students import CPU, student, written

ROOT = Path(__file__).parents[3]
DESCRIBED = ExportedFile("oim", 8, preprocessing_of(96, 128), "0" * 64, "float32", False, "search")
IN_EXTRAS = (
    "dvc",
    "h5py",
    "lightning_fabric",
    "matplotlib",
    "onnx",
    "onnxscript",
    "scipy",
    "torch",
    "torchvision",
)
"""What is not installed with `pip install '.[onnx]'`."""
PEOPLE = {
    "boxes": np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32),
    "scores": np.array([0.9, 0.5], np.float32),
    "embeddings": np.eye(2, 8, dtype=np.float32),
    "given_embeddings": np.eye(3, 8, dtype=np.float32),
}


def small_model(path, text):
    """Write an ONNX file that finds two people in every picture, with a text as its metadata."""
    inputs = [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["height", "width", 3])]
    inputs.append(helper.make_tensor_value_info("given_boxes", TensorProto.FLOAT, ["given", 4]))
    nodes, outputs = [], []
    for name, values in PEOPLE.items():
        nodes.append(helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(values)))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape))
    graph = helper.make_graph(nodes, "small", inputs, outputs)
    graph.initializer.append(helper.make_tensor("given_boxes", TensorProto.FLOAT, [0, 4], []))
    model = helper.make_model(graph, producer_name="person-search export", ir_version=8)
    model.opset_import[0].version = 18
    if text is not None:
        helper.set_model_props(model, {METADATA: text})
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_is_loaded_by_its_content(tmp_path):
    weights = written(tmp_path / "a.onnx", student())
    exported = small_model(tmp_path / "b.safetensors", DESCRIBED.as_text())
    assert kind_of(exported) == ONNX
    assert isinstance(load_search_network(weights, CPU), TorchNetwork)
    loaded = load_search_network(exported)
    assert isinstance(loaded, OnnxNetwork)
    (found,) = loaded.detect([np.zeros((96, 128, 3), np.uint8)])
    np.testing.assert_array_equal(found.embeddings, PEOPLE["embeddings"])
    given = loaded.embed(np.zeros((96, 128, 3), np.uint8), np.zeros((3, 4), np.float32))
    np.testing.assert_array_equal(given, PEOPLE["given_embeddings"])


@pytest.mark.parametrize("shape", [(2, 3000, 3), (3000, 2, 3), (0, 10, 3)])
def test_a_picture_that_is_too_narrow_is_refused(tmp_path, shape):
    loaded = OnnxNetwork(small_model(tmp_path / "a.onnx", DESCRIBED.as_text()))
    narrow, line = (
        np.zeros(shape, np.uint8),
        f"too narrow to look for people in: {shape[1]} x {shape[0]} pixels",
    )
    with pytest.raises(UserError, match=line):
        loaded.detect([narrow])
    with pytest.raises(UserError, match=line):
        loaded.embed(narrow, np.zeros((1, 4), np.float32))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"hello", "is a text"),
        (b"\x89PNG\r\n", "is a PNG picture"),
        (b"\x00\xff\xfe\x01", "is of an unknown kind"),
        (b"\x08\x08\x12\x05hello", "is not a readable ONNX model"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, content, line):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match=line) as refused:
        load_search_network(path)
    assert "\n" not in str(refused.value)


def test_an_onnx_file_that_is_cut_off_is_refused_in_one_line(tmp_path):
    path = small_model(tmp_path / "a.onnx", DESCRIBED.as_text())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"a\.onnx") as refused:
        load_search_network(path)
    assert "\n" not in str(refused.value)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="no weight file at"):
        load_search_network(tmp_path / "none.onnx")
    with pytest.raises(UserError, match="is a folder"):
        load_search_network(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "was not written by"),
        ("{", "was not written by"),
        ("[]", "was not written by"),
        ("{}", "was not written by"),
        (DESCRIBED.as_text().replace('"format_version": "1"', '"format_version": "9"'), "has version 9"),
        (DESCRIBED.as_text().replace('"head"', '"hat"'), "is damaged"),
        (DESCRIBED.as_text().replace('"float32"', '"float8"'), "is damaged"),
        (DESCRIBED.as_text().replace('"embedding_dim": 8', '"embedding_dim": "8"'), "is damaged"),
        (DESCRIBED.as_text().replace('"long_side": 128', '"long_side": 0'), "is damaged"),
    ],
)
def test_a_file_that_does_not_say_what_it_is_is_refused(tmp_path, text, line):
    with pytest.raises(UserError, match=line):
        OnnxNetwork(small_model(tmp_path / "a.onnx", text))


def test_what_a_file_says_is_read_back():
    assert ExportedFile.from_text(DESCRIBED.as_text(), "it") == DESCRIBED


def run_without(modules, code, *arguments):
    """Run Python where importing some modules fails."""
    blocker = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {set(modules)!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", blocker + code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


LOAD = "from pathlib import Path\nfrom person_search.networks.loading import load_search_network\n"


def test_an_onnx_file_runs_where_pytorch_is_not_installed(tmp_path):
    path = small_model(tmp_path / "a.onnx", DESCRIBED.as_text())
    code = LOAD + (
        "import numpy as np\n"
        "network = load_search_network(Path(sys.argv[1]))\n"
        "print(len(network.detect([np.zeros((96, 128, 3), np.uint8)])[0].scores))\n"
    )
    said = run_without(IN_EXTRAS, code, path)
    assert said.returncode == 0, said.stderr
    assert said.stdout == "2\n"


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("torch", "torch is not installed, which this needs: pip install '.[pipeline]'"),
        ("onnxruntime", "onnxruntime is not installed, which this needs: pip install '.[onnx]'"),
    ],
)
def test_what_is_not_installed_is_said_in_one_line(tmp_path, missing, line):
    path = small_model(tmp_path / "a.onnx", DESCRIBED.as_text())
    if missing == "torch":
        path = written(tmp_path / "a.safetensors", student())
    code = LOAD + (
        "from pipeline.basics.errors import UserError\n"
        "try:\n"
        "    load_search_network(Path(sys.argv[1]))\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    said = run_without([missing], code, path)
    assert said.returncode == 0, said.stderr
    assert line in said.stdout
