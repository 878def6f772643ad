"""Tiny models as other people bring them: an ONNX file or TorchScript, and the YAML beside it."""

import warnings

import numpy as np
import onnx
import torch
import yaml
from onnx import TensorProto, helper

HEIGHT, WIDTH, DIM = 16, 8, 12
DESCRIPTION = {
    "height": HEIGHT,
    "width": WIDTH,
    "channels": "rgb",
    "scale": 1.0,
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.5],
    "mirror": False,
}


def weights(seed=0, dim=DIM):
    """A linear layer on the pixels, [3 H W, dim]."""
    return np.random.default_rng(seed).normal(size=(3 * HEIGHT * WIDTH, dim)).astype(np.float32)


def write_onnx(
    path,
    batch="N",
    matrix=None,
    rank=2,
    outputs=("features",),
    inputs=("crops",),
    sides=(3, HEIGHT, WIDTH),
    **described,
):
    """Write a model that flattens crops and multiplies them with a matrix, and its YAML."""
    matrix = weights() if matrix is None else matrix
    shape = [batch, matrix.shape[1]] + [1] * (rank - 2)
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *sides]) for name in inputs]
    nodes = [helper.make_node("Flatten", [inputs[0]], ["flat"], axis=1)]
    nodes.append(helper.make_node("MatMul", ["flat", "matrix"], ["rows"]))
    last = "rows"
    if rank == 4:
        nodes.append(helper.make_node("Unsqueeze", ["rows", "axes"], ["tall"]))
        last = "tall"
    nodes += [helper.make_node("Identity", [last], [name]) for name in outputs]
    initial = [helper.make_tensor("matrix", TensorProto.FLOAT, matrix.shape, matrix.ravel())]
    initial.append(helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]))
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs]
    graph = helper.make_graph(nodes, "tiny", given, made, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    describe(path, **described)
    return path


class Linear(torch.nn.Module):
    """The same as TorchScript."""

    def __init__(self, matrix, form="tensor"):
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.from_numpy(matrix))
        self.form = form

    def forward(self, crops):
        rows = crops.flatten(1) @ self.matrix
        if self.form == "tuple":
            return crops, rows
        if self.form == "dict":
            return {"embedding": rows, "other": crops}
        return rows


def write_torchscript(path, matrix=None, form="tensor", **described):
    matrix = weights() if matrix is None else matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(Linear(matrix, form), torch.zeros(2, 3, HEIGHT, WIDTH), strict=False)
        traced.save(str(path))
    describe(path, **described)
    return path


def describe(path, **changes):
    values = {key: value for key, value in (DESCRIPTION | changes).items() if value is not ...}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(values))


def crops_of(count, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).random((count, 3, HEIGHT, WIDTH), np.float32))


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
