"""Small real ONNX files of detectors, each with its YAML."""

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 48, 64
"""Of the input."""


def write_detector(
    path, outputs, *, described, shape=(1, 3, HEIGHT, WIDTH), kind=TensorProto.FLOAT, means=None
):
    """Write a detector whose outputs are constants, and its YAML; return the file's path.

    Args:
        path: the ONNX file.
        outputs: arrays by name.
        described: content of the YAML; None for no YAML.
        shape: of the input; a text is a dimension that is not fixed.
        kind: of the input's numbers.
        means: name of one output of shape [3] that is the input's mean, channel by channel.
    """
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(values)))
        for name, values in outputs.items()
    ]
    results = [
        helper.make_tensor_value_info(name, numpy_helper.from_array(np.asarray(values)).data_type, None)
        for name, values in outputs.items()
    ]
    constants = []
    if means:
        constants = [numpy_helper.from_array(np.array([0, 2, 3]), "axes")]
        nodes.append(helper.make_node("ReduceMean", ["image", "axes"], [means], keepdims=0))
        results.append(helper.make_tensor_value_info(means, TensorProto.FLOAT, None))
    image = helper.make_tensor_value_info("image", kind, shape)
    graph = helper.make_graph(nodes, "detector", [image], results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    if described is not None:
        path.with_suffix(".yaml").write_text(yaml.safe_dump(described))
    return path
