"""The project's own weight files as detectors: a detector, students of any head, and an exported student."""

import numpy as np
import pytest
import torch

from person_search.detectors.exported_detector import ExportedDetector
from person_search.detectors.loading import load_detector
from person_search.networks.torch_network import TorchNetwork
from pipeline.basics.errors import UserError
from pipeline.batches.pictures import scene_floats
from pipeline.models.detector import Detector
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import describe_weights, save_weights
from tests.person_search.networks.students import CPU, picture, student, written
from tests.person_search.networks.test_loading import DESCRIBED, PEOPLE, small_model
from tests.tiny import detector_options, reid_options

SHOWN = picture(96, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


def test_a_detector(folder):
    torch.manual_seed(0)
    network = Detector(detector_options()).eval()
    path = folder / "detector.safetensors"
    save_weights(path, "detector", network.options, network.state_dict())
    assert describe_weights(path).kind == "detector"
    detector = load_detector(path)
    detector.detect(SHOWN[:8], 0.0)  # a narrow picture first: those after it are pooled right all the same
    found = detector.detect(SHOWN, 0.0)
    (wanted,) = network.detect([scene_floats(torch.from_numpy(SHOWN).permute(2, 0, 1))])
    assert len(found.scores)
    np.testing.assert_array_equal(found.boxes, wanted["boxes"].numpy())
    np.testing.assert_array_equal(found.scores, wanted["scores"].numpy())
    least = float(np.median(found.scores))
    assert len(detector.detect(SHOWN, least).scores) == int((found.scores >= least).sum())


@pytest.mark.parametrize("head", ["oim", "seqnet", "qeeps"])
def test_a_student_of_any_head(head, folder):
    path = written(folder / f"{head}.safetensors", student(head=head))
    found = load_detector(path).detect(SHOWN, 0.0)
    (wanted,) = TorchNetwork(path, CPU).detect([SHOWN])
    assert len(found.scores)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-4)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)


def test_an_exported_student_is_known_by_its_metadata(folder):
    detector = load_detector(small_model(folder / "exported.onnx", DESCRIBED.as_text()))
    assert isinstance(detector, ExportedDetector)
    np.testing.assert_array_equal(detector.detect(SHOWN, 0.6).boxes, PEOPLE["boxes"][:1])


def test_a_reid_network_finds_nobody(folder):
    path = folder / "reid.safetensors"
    save_weights(path, "reid", reid_options(), ReidModel(reid_options()).state_dict())
    with pytest.raises(UserError, match="holds a re-ID network, which finds nobody"):
        load_detector(path)


def test_a_picture_that_is_too_narrow(folder):
    path = written(folder / "narrow.safetensors", student())
    with pytest.raises(UserError, match="too narrow"):
        load_detector(path).detect(np.zeros((1, 5000, 3), np.uint8), 0.0)
