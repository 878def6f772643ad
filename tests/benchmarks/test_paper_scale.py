"""What is timed at the paper's scale, and what it is compared with."""

from collections import Counter

import pytest
import torch
from click.testing import CliRunner

from benchmarks import full_scale, full_size_data
from benchmarks.memory import peak_gib
from benchmarks.paper_scale import PAPER_SCALE, options_of, references, trainings
from benchmarks.torchvision_detector import plain_detector
from benchmarks.trainer_process import Pairs
from pipeline.models.detector import Detector
from stages.support.parameters import read_parameters
from tests.tiny import detector_options


def test_every_student_and_teacher_of_the_preset_is_there():
    students = list(read_parameters(PAPER_SCALE)["students"])
    assert trainings(PAPER_SCALE) == [*students, "train_detector", "train_reid"]
    for name in trainings(PAPER_SCALE):
        assert options_of(PAPER_SCALE, name).network.backbone.weights == "none"


def test_students_are_compared_with_the_same_parts():
    large = "torchvision baseline_resnet50"
    assert references(PAPER_SCALE) == {
        **dict.fromkeys(("baseline", "kd_detector", "kd_lut", "kd_both"), "torchvision baseline"),
        **dict.fromkeys(("baseline_resnet50", "kd_lut_resnet50"), large),
    }


@pytest.mark.parametrize("width", [None, 48])
def test_torchvisions_network_has_a_detectors_parts(width):
    options = detector_options()
    rpn = options.rpn.model_copy(update={"width": width, "min_size": 7.0, "foreground_iou": 0.6})
    roi = options.roi.model_copy(update={"sampling_ratio": 2, "foreground_iou": 0.4})
    options = options.model_copy(update={"rpn": rpn, "roi": roi})
    own, plain = Detector(options), plain_detector(options)
    shapes = [Counter(tuple(p.shape) for p in network.parameters()) for network in (own, plain)]
    assert shapes[0] == shapes[1]
    for part in ("transform", "rpn", "roi_heads"):
        numbers = [
            {
                name: value
                for name, value in vars(getattr(network, part)).items()
                if isinstance(value, int | float | tuple | list | dict) and not name.startswith("_")
            }
            for network in (own, plain)
        ]
        differing = {name for name, value in numbers[0].items() if numbers[1].get(name) != value}
        # Only inference uses these, and a step of training none of them.
        assert differing <= {"score_thresh", "nms_thresh", "detections_per_img"}, part
    pools = [network.roi_heads.box_roi_pool for network in (own, plain)]
    assert pools[0].output_size == pools[1].output_size
    assert pools[0].sampling_ratio == pools[1].sampling_ratio
    for sampler in ("rpn", "roi_heads"):
        samplers = [vars(getattr(network, sampler).fg_bg_sampler) for network in (own, plain)]
        assert samplers[0] == samplers[1]


class NoProcess:
    def __init__(self, *arguments, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("ratio", "memory", "wrong"),
    [
        (0.4, 1.0, ()),
        (0.4, 1.2, ("step, baseline to torchvision", "step, baseline_resnet50 to torchvision")),
        (0.6, 1.0, ("search, baseline to baseline_resnet50",)),
        (3.0, 1.0, ("step, kd_both to baseline", "search, baseline to baseline_resnet50")),
    ],
)
def test_what_costs_too_much_ends_with_1(ratio, memory, wrong, monkeypatch):
    monkeypatch.setattr(full_scale, "TrainerProcess", NoProcess)
    monkeypatch.setattr(full_scale, "in_turns", lambda *_: Pairs(1.0, [ratio], (memory, 1.0)))
    result = CliRunner().invoke(full_scale.main)
    assert result.exit_code == (1 if wrong else 0)
    assert all(title in result.output.partition("Error: ")[2] for title in wrong)


def test_peak_memory_is_that_of_now():
    assert 0.05 < peak_gib(torch.device("cpu")) < 16


@pytest.mark.parametrize("keep", [False, True])
def test_a_temporary_folder_goes_unless_it_is_kept(keep, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with full_size_data.working_folder(None, keep) as folder:
        (folder / "tree").mkdir()
    assert (folder.parent, folder.exists()) == (tmp_path, keep)
    with full_size_data.working_folder(tmp_path / "own", keep) as given:
        given.mkdir()
    assert given.exists()
