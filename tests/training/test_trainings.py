"""Detector, re-ID model and student on the tiny data set."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.basics.errors import UserError
from pipeline.batches.samplers import ScenePairs
from pipeline.batches.transforms import AugmentationOptions
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.devices import _Autocast
from pipeline.losses.identity.targets import IdentityOptions, build_identity_loss
from pipeline.models.heads import build_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.qeeps import Qeeps
from pipeline.models.reid import ReidModel
from pipeline.models.seqnet import SeqNet
from pipeline.models.weight_files import save_weights
from pipeline.scenes.scene import UNLABELLED, Split
from pipeline.training.detector import DetectorTrainingOptions, train_detector
from pipeline.training.reid import ReidTrainingOptions, train_reid
from pipeline.training.student import training as student_module
from pipeline.training.student.options import StudentOptions, StudentWeights
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import StudentTask, train_student
from tests.tiny import (
    IDENTITIES,
    TinyDataSet,
    detector_options,
    reid_options,
    search_options,
    silent,
    training_options,
)

TARGETS = ("oim", "lut", "lut_ema", "cosine", "kl")
EMBEDDING = 16
SECOND = ("second_class", "second_box")
GUIDED = ("query_objectness", "similarity")


def teacher_table():
    rows = torch.randn(IDENTITIES, EMBEDDING, generator=torch.Generator().manual_seed(5))
    return functional.normalize(rows, dim=1)


def box_teacher(data):
    """A teacher's row for each training box: about the same for the boxes of a person."""
    people = np.concatenate([scene.person_ids for scene in data.split("train").scenes])
    generator = torch.Generator().manual_seed(6)
    own = torch.randn(IDENTITIES + 1, EMBEDDING, generator=generator)[people]
    rows = own + 0.3 * torch.randn(len(people), EMBEDDING, generator=generator)
    return functional.normalize(rows, dim=1).half()


def student_options(target="lut", seed=0, **training):
    queue = {} if target in ("cosine", "kl") else {"queue_size": 4}
    identity = IdentityOptions(target=target, weight=1.0, **queue)
    return StudentOptions(
        seed=seed,
        network=search_options(),
        augmentation=AugmentationOptions(flip=0.5, brightness=0.1),
        training=training_options(**training),
        identity=identity,
    )


def with_head(options, head):
    """The same student with another kind of network."""
    return options.model_copy(update={"network": options.network.model_copy(update={"head": head})})


def of_full_width(options):
    """The same with `tiny` as it is by default: half as wide, it is not laid out with its channels last."""
    network = options.network
    backbone = network.backbone.model_copy(update={"width": 1.0})
    return options.model_copy(update={"network": network.model_copy(update={"backbone": backbone})})


def reid_training_options(seed=0, **training):
    settings = {"batch_size": 6} | training
    return ReidTrainingOptions(
        seed=seed, network=reid_options(), training=training_options(**settings), crops_per_identity=3
    )


def detector_training_options(seed=0, **training):
    return DetectorTrainingOptions(
        seed=seed, network=detector_options(), training=training_options(**training)
    )


def mean_of(rows, name):
    return sum(row[name] for row in rows) / len(rows)


@pytest.fixture(scope="module")
def crops(prepared, tmp_path_factory):
    return prepare(LabelledCrops(prepared, "train"), tmp_path_factory.mktemp("c") / "crops", silent)


@pytest.fixture
def trainers(prepared, crops):
    """Each training by its name: from a seed and training options to a network and its history."""
    return {
        "detector": lambda seed, **t: train_detector(prepared, detector_training_options(seed, **t), silent),
        "reid": lambda seed, **t: train_reid(crops, reid_training_options(seed, **t), silent),
        "person_search": lambda seed, **t: train_student(
            prepared, student_options("lut", seed, **t), Teachers(teacher_table()), silent
        ),
    }


KINDS = {"detector": detector_options, "reid": reid_options, "person_search": search_options}


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_the_same_bytes_whatever_the_workers(kind, trainers, tmp_path, monkeypatch):
    files, histories = [], []
    for run, workers in enumerate("01"):
        monkeypatch.setenv("PERSON_SEARCH_WORKERS", workers)
        torch.rand(run)  # what was drawn before does not matter
        network, history = trainers[kind](seed=3)
        assert not network.training
        save_weights(tmp_path / f"{run}.safetensors", kind, KINDS[kind](), network.state_dict())
        files.append((tmp_path / f"{run}.safetensors").read_bytes())
        histories.append(history)
    assert files[0] == files[1]
    assert histories[0] == histories[1]


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_another_network(kind, trainers):
    states = [trainers[kind](seed=seed, steps=1)[0].state_dict() for seed in (0, 1)]
    assert any(not torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind, trainers):
    _, history = trainers[kind](seed=0, steps=30, warmup_steps=5)
    assert mean_of(history[-5:], "total") < 0.8 * mean_of(history[:5], "total")


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_learns_identities(target, prepared):
    options = student_options(target, steps=20, warmup_steps=4)
    _, history = train_student(prepared, options, Teachers(teacher_table()), silent)
    first = next(row["identity"] for row in history if row["identity"] > 0)
    assert mean_of(history[-5:], "identity") < 0.8 * first


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_teaches_a_seqnet(target, prepared):
    options = with_head(student_options(target, steps=20, warmup_steps=4), "seqnet")
    network, history = train_student(prepared, options, Teachers(teacher_table()), silent)
    assert isinstance(network, SeqNet)
    first = next(row["identity"] for row in history if row["identity"] > 0)
    for name, before in {"identity": first, **{n: mean_of(history[:5], n) for n in SECOND}}.items():
        assert mean_of(history[-5:], name) < 0.9 * before


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_teaches_a_qeeps(target, prepared):
    options = with_head(student_options(target, steps=30, warmup_steps=6), "qeeps")
    network, history = train_student(prepared, options, Teachers(teacher_table()), silent)
    assert isinstance(network, Qeeps)
    first = next(row["identity"] for row in history if row["identity"] > 0)
    before = {"identity": first, **{name: mean_of(history[:5], name) for name in GUIDED}}
    for name, value in before.items():
        assert mean_of(history[-5:], name) < 0.95 * value


def test_losses_of_guidance_can_be_weighted(prepared):
    """Without its weight, the query-guided RPN has nothing to learn from."""
    options = with_head(student_options("lut", weight_decay=0.0), "qeeps")
    options = options.model_copy(update={"loss_weights": StudentWeights(query_objectness=0.0)})
    network, _ = train_student(prepared, options, Teachers(teacher_table()), silent)
    torch.manual_seed(options.seed)
    start = build_student(options.network)
    assert torch.equal(network.query_proposals.conv.weight, start.query_proposals.conv.weight)
    assert not torch.equal(network.similarity.same.weight, start.similarity.same.weight)


def test_pairs_need_somebody_in_two_scenes(prepared, monkeypatch):
    monkeypatch.setattr(ScenePairs, "__init__", without_pairs(ScenePairs.__init__))
    options = with_head(student_options("oim"), "qeeps")
    with pytest.raises(UserError, match="no labelled person of the training split is in two scenes"):
        train_student(prepared, options, Teachers(), silent)


def without_pairs(original):
    def init(self, person_ids, *rest):
        original(self, [np.full_like(ids, UNLABELLED) for ids in person_ids], *rest)

    return init


def test_losses_of_a_second_head_can_be_weighted(prepared):
    """Without weights, the second head's box has nothing to learn from."""
    options = with_head(student_options("lut", weight_decay=0.0), "seqnet")
    weights = StudentWeights(second_class=0.0, second_box=0.0)
    options = options.model_copy(update={"loss_weights": weights})
    assert options.weights()["second_box"] == 0.0
    network, _ = train_student(prepared, options, Teachers(teacher_table()), silent)
    torch.manual_seed(options.seed)
    start = build_student(options.network)
    assert torch.equal(network.second_box.weight, start.second_box.weight)
    assert torch.equal(network.score_norm.weight, start.score_norm.weight)
    assert not torch.equal(network.embedding.weight, start.embedding.weight)


def test_every_target_sees_the_same_people(prepared, monkeypatch):
    """A comparison of targets is one of targets alone: same weights, same scenes, same RoIs go in."""
    seen = {}

    def spying(target):
        def build(*arguments):
            loss = build_identity_loss(*arguments)
            loss.register_forward_pre_hook(
                lambda _, inputs: seen.setdefault(target, []).append([value.clone() for value in inputs])
            )
            return loss

        return build

    histories = {}
    for target in TARGETS:
        monkeypatch.setattr(student_module, "build_identity_loss", spying(target))
        options = student_options(target, steps=1)
        histories[target] = train_student(prepared, options, Teachers(teacher_table()), silent)[1]
    for target in TARGETS:
        (embeddings, ids), (expected, expected_ids) = seen[target][0], seen["oim"][0]
        assert len(ids) > 0
        assert torch.equal(embeddings, expected)
        assert torch.equal(ids, expected_ids)
        for name in ("rpn_objectness", "rpn_box", "roi_class", "roi_box"):
            assert histories[target][0][name] == histories["oim"][0][name]


def test_a_step_against_the_table_knows_no_teacher_network(prepared, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("a re-ID network was built")

    monkeypatch.setattr(ReidModel, "__init__", refused)
    tasks = []
    monkeypatch.setattr(
        student_module, "StudentTask", lambda *parts: tasks.append(StudentTask(*parts)) or tasks[-1]
    )
    train_student(prepared, student_options("lut", steps=1), Teachers(teacher_table()), silent)
    (task,) = tasks
    held = [*task.network.modules(), *task.identity_loss.modules()]
    assert not any(isinstance(module, ReidModel) for module in held)
    assert not list(task.identity_loss.parameters())


def test_the_teachers_table_is_left_alone(prepared):
    table = teacher_table()
    for target in ("lut", "lut_ema"):
        train_student(prepared, student_options(target), Teachers(table), silent)
    assert torch.equal(table, teacher_table())


def test_weights_of_losses_that_are_zero_switch_them_off(prepared):
    """Without an identity weight, the embedding has nothing to learn from but its decay."""
    options = student_options("lut", weight_decay=0.0)
    options = options.model_copy(update={"identity": IdentityOptions(target="lut", weight=0.0)})
    network, _ = train_student(prepared, options, Teachers(teacher_table()), silent)
    torch.manual_seed(options.seed)
    start = PersonSearchNetwork(options.network)
    assert torch.equal(network.embedding.weight, start.embedding.weight)
    assert not torch.equal(network.stem[0][0].weight, start.stem[0][0].weight)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("error")
def test_each_training_in_half_precision_learns_as_in_full(kind, precision, trainers, monkeypatch):
    made = []
    monkeypatch.setattr(_Autocast, "__init__", counting(made, _Autocast.__init__))
    start, _ = trainers[kind](seed=0, steps=1, learning_rate=1e-9)
    _, (plain, *_) = trainers[kind](seed=0, steps=1)
    _, (other, *_) = trainers[kind](seed=0, steps=1, precision=precision)
    # Until the scaler has found its scale, no step is taken.
    network, _ = trainers[kind](seed=0, steps=16, precision=precision)
    assert [mixed.scaler is not None for mixed in made] == [precision == "16-mixed"] * 2
    assert plain.keys() == other.keys()
    assert all(loss == pytest.approx(plain[name], rel=0.1, abs=0.1) for name, loss in other.items())
    weights = list(zip(start.parameters(), network.parameters(), strict=True))
    assert {after.dtype for _, after in weights} == {torch.float32}
    assert max(float((before - after).detach().abs().max()) for before, after in weights) > 1e-4


def counting(made, construct):
    """A constructor that also notes what it has made."""

    def constructor(self, *arguments):
        construct(self, *arguments)
        made.append(self)

    return constructor


@pytest.mark.parametrize("changes", [{"precision": "bf16-mixed"}, {"channels_last": True}])
def test_precision_and_layout_change_the_numbers_only(changes, prepared):
    plain = train_student(prepared, of_full_width(student_options()), Teachers(teacher_table()), silent)[1]
    other = train_student(
        prepared, of_full_width(student_options(**changes)), Teachers(teacher_table()), silent
    )[1]
    assert [row.keys() for row in plain] == [row.keys() for row in other]
    assert other[0]["total"] == pytest.approx(plain[0]["total"], rel=0.2)


def test_a_narrow_student_with_channels_last_is_trained_as_one_without(prepared):
    plain = train_student(prepared, student_options(), Teachers(teacher_table()), silent)[1]
    asked = train_student(prepared, student_options(channels_last=True), Teachers(teacher_table()), silent)[1]
    assert asked == plain


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_of_one_and_of_odd_size(batch_size, prepared):
    options = student_options(batch_size=batch_size, steps=11)
    _, history = train_student(prepared, options, Teachers(teacher_table()), silent)
    assert history[-1]["step"] == 11


def relabelled(tmp_path, change):
    class Changed(TinyDataSet):
        def splits(self):
            return {"train": change(super().splits()["train"])}

    return prepare(Changed(), tmp_path / "changed", silent)


def test_a_split_without_labelled_people(tmp_path):
    def nobody(split):
        scenes = tuple(type(s)(s.name, s.boxes, s.person_ids * 0 - 1, s.camera) for s in split.scenes)
        return Split(split.name, scenes, split.identities)

    data = relabelled(tmp_path, nobody)
    for target in TARGETS:
        _, history = train_student(data, student_options(target), Teachers(teacher_table()), silent)
        assert all(row["identity"] == 0 for row in history)


def test_a_split_without_scenes(tmp_path):
    data = relabelled(tmp_path, lambda split: Split(split.name, (), ()))
    with pytest.raises(UserError, match=r"the training split has no scenes"):
        train_student(data, student_options("oim"), Teachers(), silent)


def test_a_target_without_its_table(prepared):
    with pytest.raises(ValueError, match=r"needs a table"):
        train_student(prepared, student_options("lut"), Teachers(), silent)


def test_diverging_is_a_users_error(prepared):
    options = student_options(optimizer="sgd", learning_rate=1e12, clip_norm=0.0, steps=10)
    with pytest.raises(UserError, match=r"not finite; try a lower learning_rate"):
        train_student(prepared, options, Teachers(teacher_table()), silent)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"batch_size": 7}, "7 is no multiple of crops_per_identity 3"), ({"batch_size": 2}, "no multiple")],
)
def test_reid_batches_must_fit(changes, says, crops):
    with pytest.raises(UserError, match=says):
        train_reid(crops, reid_training_options(**changes), silent)


def test_reid_needs_two_crops_and_two_people(crops, tmp_path):
    single = reid_training_options(batch_size=1).model_copy(update={"crops_per_identity": 1})
    with pytest.raises(UserError, match=r"batch_size 1"):
        train_reid(crops, single, silent)
    data = relabelled(tmp_path, lambda split: Split(split.name, (), ("only",)))
    with pytest.raises(UserError, match=r"1 labelled identities; re-identification needs two"):
        train_reid(data, reid_training_options(), silent)
