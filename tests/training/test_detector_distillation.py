"""A student taught by a detector: what must hold whatever the weights are."""

import copy

import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.datasets.packing import prepare
from pipeline.losses.detector_distillation import (
    LEVELS,
    PREFIX,
    DetectorDistillationOptions,
    detector_distillation,
)
from pipeline.losses.identity.targets import IdentityOptions
from pipeline.models.backbones import BackboneOptions
from pipeline.models.detector import Detector
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.training.student.options import StudentOptions
from pipeline.training.student.taught_student import TaughtStudent
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student
from tests.models.test_person_search import image, target
from tests.tiny import TinyDataSet, detector_options, search_options, silent, training_options

EVERYTHING = DetectorDistillationOptions()
NAMES = {f"{PREFIX}{name}" for name in LEVELS}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(TinyDataSet(), tmp_path_factory.mktemp("data") / "prepared", silent)


def options(distillation=EVERYTHING, network=None, **training):
    return StudentOptions(
        seed=0,
        network=network or search_options(),
        training=training_options(**training),
        identity=IdentityOptions(target="oim", weight=1.0),
        detector_distillation=distillation,
    )


def teacher(**changes):
    torch.manual_seed(7)
    return Detector(detector_options(**changes)).eval()


def step_of(network, ids):
    """One training step on scenes with these people, from fixed sampling."""
    torch.manual_seed(1)
    images = [image(seed) for seed in range(len(ids))]
    return network.search_step(images, [target(own) for own in ids])


def student():
    torch.manual_seed(0)
    return PersonSearchNetwork(search_options()).train()


@pytest.mark.parametrize("ids", [[[0, 1], [2]], [[], [0]], [[], []]])
def test_the_losses_are_finite_whoever_is_in_the_scenes(ids):
    network = TaughtStudent(student(), teacher().stem_channels)
    taught = step_of(network, ids)
    losses = detector_distillation(
        taught.detection, taught.adapted, teacher().judge(taught.detection), EVERYTHING
    )
    assert set(losses) == NAMES
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


def test_a_teacher_that_is_the_student_has_nothing_to_add():
    """The same weights, both with the batch's statistics: no hint, no box term, and the same judgement."""
    network = student()
    twin = copy.deepcopy(network)
    taught = step_of(TaughtStudent(network, network.stem_channels), [[0, 1], [2]])
    judgement = twin.judge(taught.detection)
    torch.testing.assert_close(judgement.objectness, taught.detection.anchors.objectness)
    torch.testing.assert_close(judgement.anchor_deltas, taught.detection.anchors.box_deltas)
    torch.testing.assert_close(judgement.class_logits, taught.detection.rois.class_logits)
    torch.testing.assert_close(judgement.roi_deltas, taught.detection.rois.box_deltas)
    losses = detector_distillation(taught.detection, taught.adapted, judgement, EVERYTHING)
    assert {name: losses[name].item() for name in ("distil_hint", "distil_rpn_box", "distil_roi_box")} == {
        "distil_hint": 0.0,
        "distil_rpn_box": 0.0,
        "distil_roi_box": 0.0,
    }


def test_the_teacher_judges_the_students_own_boxes():
    """Another order of the sampled anchors is the same judgement in that order."""
    step = step_of(student(), [[0, 1], [2]]).detection
    order = torch.randperm(len(step.anchors.indices), generator=torch.Generator().manual_seed(3))
    mixed = step._replace(anchors=step.anchors._replace(indices=step.anchors.indices[order]))
    one, other = teacher().judge(step), teacher().judge(mixed)
    assert torch.equal(one.objectness[order], other.objectness)
    assert torch.equal(one.anchor_deltas[order], other.anchor_deltas)
    assert torch.equal(one.class_logits, other.class_logits)


def test_sampled_anchors_make_the_rpns_own_losses():
    step = step_of(student(), [[0, 1], [2]]).detection
    losses = step.losses
    anchors = step.anchors
    people = anchors.labels == 1
    objectness = torch.nn.functional.binary_cross_entropy_with_logits(anchors.objectness, anchors.labels)
    box = torch.nn.functional.smooth_l1_loss(
        anchors.box_deltas[people], anchors.target_deltas[people], beta=1 / 9, reduction="sum"
    )
    torch.testing.assert_close(losses["rpn_objectness"], objectness)
    torch.testing.assert_close(losses["rpn_box"], box / len(anchors.labels))
    assert people.any()


@pytest.mark.parametrize("name", LEVELS)
def test_each_loss_has_its_own_switch(name, prepared):
    only = DetectorDistillationOptions(**{other: 0.0 for other in LEVELS if other != name})
    _, history = train_student(prepared, options(only), Teachers(detector=teacher()), silent)
    assert {key for key in history[0] if key.startswith(PREFIX)} == {f"{PREFIX}{name}"}


def test_the_teacher_stays_as_it_is_and_the_student_follows_it(prepared):
    detector = teacher()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    taught, history = train_student(
        prepared, options(steps=20, warmup_steps=3), Teachers(detector=detector), silent
    )
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert not detector.training
    assert history[-1]["distil_hint"] < history[0]["distil_hint"]
    plain, _ = train_student(prepared, options(None, steps=20, warmup_steps=3), Teachers(), silent)
    assert taught.state_dict().keys() == plain.state_dict().keys()
    assert any(
        not torch.equal(value, plain.state_dict()[name]) for name, value in taught.state_dict().items()
    )


def test_losses_of_weight_zero_leave_the_student_as_without_a_teacher(prepared):
    nothing = DetectorDistillationOptions(**dict.fromkeys(LEVELS, 0.0))
    one, _ = train_student(prepared, options(nothing), Teachers(detector=teacher()), silent)
    other, _ = train_student(prepared, options(None), Teachers(), silent)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_student_and_teacher_may_have_different_backbones(name, prepared):
    network = search_options(backbone=BackboneOptions(name=name))
    _, history = train_student(
        prepared, options(network=network, steps=2), Teachers(detector=teacher()), silent
    )
    assert all(torch.isfinite(torch.tensor(value)) for row in history for value in row.values())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"short_side": 80}, "short_side is 96 in the student and 80"),
        ({"long_side": 120}, "long_side is 128"),
    ],
)
def test_a_teacher_that_looks_at_other_boxes_is_refused(changes, named, prepared):
    settings = detector_options().model_copy(update=changes)
    with pytest.raises(UserError, match=named):
        train_student(prepared, options(), Teachers(detector=Detector(settings)), silent)


def test_a_teacher_with_other_anchors_is_refused(prepared):
    rpn = detector_options().rpn.model_copy(update={"anchor_sizes": [30, 50]})
    settings = detector_options().model_copy(update={"rpn": rpn})
    with pytest.raises(UserError, match=r"rpn\.anchor_sizes is \[24, 40\] in the student and \[30, 50\]"):
        train_student(prepared, options(), Teachers(detector=Detector(settings)), silent)


def test_teacher_and_options_go_together(prepared):
    with pytest.raises(ValueError, match="go together"):
        train_student(prepared, options(), Teachers(), silent)
    with pytest.raises(ValueError, match="go together"):
        train_student(prepared, options(None), Teachers(detector=teacher()), silent)
