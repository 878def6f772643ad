"""Exported students and drawn scenes, made once for all tests: an export takes seconds."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from person_search.export.exporting import export_network
from person_search.networks.torch_network import TorchNetwork
from pipeline.datasets.synthetic.data_set import Synthetic, SyntheticOptions
from pipeline.models.detector import RoiOptions
from tests.person_search.networks.students import CPU, student, written
from tests.tiny import EARLY, backbone

CROPS = ((0, 0), (0, 0), (0, 0), (1, 31), (95, 0), (32, 150), (61, 97), (170, 3))
"""What is cut from the scenes' height and width, so that their sizes vary; the rest is 192 x 288 or less."""
SURE = 0.87
"""A score that the student of `one_picture` reaches in pictures with something in it, not in a black one."""


@pytest.fixture(scope="session")
def scenes():
    """Scenes of the synthetic data set, of several sizes, `[h, w, 3]`."""
    drawn = Synthetic(SyntheticOptions(train_identities=8, validation_identities=8, test_identities=16))
    pictures = []
    for index, (rows, columns) in enumerate(CROPS):
        with Image.open(BytesIO(drawn.image_bytes("test", index))) as image:
            pixels = np.asarray(image.convert("RGB"))
        pictures.append(pixels[rows:, columns:].copy())
    return pictures


@pytest.fixture(scope="session")
def one_picture(tmp_path_factory):
    """An OIM student in PyTorch, and its path in ONNX: one picture, float32, group normalisation."""
    roi = RoiOptions(pooled_height=6, pooled_width=4, detections_per_image=10, score_threshold=SURE)
    return _exported(tmp_path_factory, student(head="oim", backbone=backbone("group"), roi=roi))


@pytest.fixture(scope="session")
def batch(tmp_path_factory):
    """A SeqNet in PyTorch, and its path in ONNX: several pictures, float32, frozen normalisation.

    Its RoIs are pooled before the stem's end, and are of three stripes.
    """
    roi = EARLY.model_copy(update={"stripes": 3})
    seqnet = student(head="seqnet", backbone=backbone("frozen_batch"), roi=roi)
    return _exported(tmp_path_factory, seqnet, batch=True)


@pytest.fixture(scope="session")
def half(tmp_path_factory):
    """An OIM student in PyTorch, and its path in ONNX: one picture, float16, batch normalisation."""
    return _exported(tmp_path_factory, student(head="oim"), precision="float16")


def _exported(tmp_path_factory, network, **settings):
    weights = written(tmp_path_factory.mktemp("exported") / "student.safetensors", network)
    out = weights.with_name("student.onnx")
    export_network(weights, out, **settings)
    return TorchNetwork(weights, CPU), out
