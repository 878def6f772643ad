"""Several devices mean the same as one: two processes, compared with one that has the joint batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.basics.launchers import STARTER_VARIABLE
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.losses.boxes.targets import BoxOptions
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.losses.identity.table import OnlineInstanceMatching
from pipeline.models.detector import Detector
from pipeline.models.normalisation import FrozenBatchNorm
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.seqnet import RowNormalisation
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import UNLABELLED
from pipeline.training import joint_draws
from pipeline.training.detector import train_detector
from pipeline.training.engine import joint
from pipeline.training.reid import train_reid
from pipeline.training.student import training as student_module
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student
from tests.tiny import detector_options, silent
from tests.training.test_trainings import (
    box_teacher,
    detector_training_options,
    reid_training_options,
    student_options,
    teacher_table,
    with_head,
)
from tests.two_processes import RANKS, in_each_process

ROOT = Path(__file__).parents[2]
PATIENCE = 240
DIM = 4
PEOPLE = ([2, UNLABELLED, 0], [0])
"""Ids on each rank; there are not as many on each."""


def embeddings_of(rank):
    rows = torch.randn(len(PEOPLE[rank]), DIM, generator=torch.Generator().manual_seed(rank))
    return nn.functional.normalize(rows, dim=1)


def updated(embeddings, person_ids):
    loss = OnlineInstanceMatching(torch.zeros(3, DIM), 2, 0.5, 1.0)
    loss.update(embeddings, person_ids)
    return loss.state_dict()


def gathered(rank):
    rows, ids = embeddings_of(rank).requires_grad_(), torch.tensor(PEOPLE[rank])
    people = joint.gather_rows(rows.detach()), joint.gather_rows(ids)
    nobody = joint.gather_rows(torch.zeros(0, DIM)), joint.gather_rows(torch.zeros(0, dtype=torch.int64))
    together = joint.gather_rows_with_gradient(rows)
    (together.square().sum() * (rank + 1)).backward()
    return [*people, *nobody, updated(*people), together.detach(), rows.grad]


def test_one_process_keeps_its_own():
    embeddings = embeddings_of(0)
    assert joint.gather_rows(embeddings) is embeddings
    assert joint.gather_rows_with_gradient(embeddings) is embeddings
    losses = {"a": torch.tensor(3.0)}
    assert joint.joint_losses(losses, counts=None) == losses


def test_two_processes_see_the_same_people_and_keep_the_same_table(tmp_path):
    everybody = torch.cat([embeddings_of(0), embeddings_of(1)]), torch.tensor(PEOPLE[0] + PEOPLE[1])
    for rank, values in enumerate(in_each_process(gathered, tmp_path)):
        embeddings, ids, no_embeddings, no_ids, state, with_gradient, gradient = values
        assert torch.equal(embeddings, everybody[0])
        assert torch.equal(ids, everybody[1])
        assert (no_embeddings.shape, no_ids.shape) == ((0, DIM), (0,))
        assert all(torch.equal(value, state[name]) for name, value in updated(*everybody).items())
        assert torch.equal(with_gradient, everybody[0])
        # 2 x for the first process's loss, twice that for the second's.
        torch.testing.assert_close(gradient, 6 * embeddings_of(rank))


def scaled(rank):
    losses = {"people": torch.tensor([2.0, 5.0][rank]), "nobody": torch.tensor(0.0), "all": torch.tensor(7.0)}
    return joint.joint_losses(losses, lambda: {"people": [3, 1][rank], "nobody": 0})


def test_losses_count_by_what_they_are_means_over(tmp_path):
    first, second = in_each_process(scaled, tmp_path)
    means = {name: float(first[name] + second[name]) / RANKS for name in first}
    assert means == pytest.approx({"people": (3 * 2 + 5) / 4, "nobody": 0.0, "all": 7.0})


IMAGES = [
    torch.tensor([1] * people + [0] * others + [-1] * 2) for people, others in [(3, 40), (0, 9), (30, 2)]
]


def sampler():
    return joint_draws.BalancedPositiveNegativeSampler(8, 0.5)


def sampled(rank):
    torch.manual_seed(4)
    own = IMAGES[:2] if rank == 0 else IMAGES[2:]
    return *joint_draws.JointSampler(sampler())(own), torch.rand(1)


def test_samples_are_those_of_one_process(tmp_path):
    (positives, negatives, after), (others, other_negatives, other_after) = in_each_process(sampled, tmp_path)
    torch.manual_seed(4)
    wanted = sampler()(IMAGES)
    for values, expected in zip([positives + others, negatives + other_negatives], wanted, strict=True):
        assert all(torch.equal(value, one) for value, one in zip(values, expected, strict=True))
    assert after == other_after == torch.rand(1)


FEATURES = torch.randn(7, 3, 4, 5, generator=torch.Generator().manual_seed(1))


def normalised(features, synchronise=False):
    torch.manual_seed(2)
    norm = nn.BatchNorm2d(3)
    nn.init.normal_(norm.weight)
    network = nn.Sequential(norm)
    if synchronise:
        joint.synchronise_batch_norm(network, torch.device("cpu"))
    features = features.clone().requires_grad_()
    result = network(features)
    result.pow(3).sum().backward()
    trained = dict(norm.state_dict())
    evaluated = network.eval()(features)
    gradients = {"weight": norm.weight.grad, "bias": norm.bias.grad}
    return [result.detach(), features.grad], trained, gradients, evaluated.detach()


def normalised_by_one_of_two(rank):
    """Normalise what the first process alone has, and then nothing at all."""
    rows = FEATURES if rank == 0 else FEATURES[:0]
    return normalised(rows, synchronise=True), normalised(FEATURES[:0], synchronise=True)


def test_a_process_without_rows_takes_part_in_batch_normalisation(tmp_path):
    (values, _), trained, *_ = normalised(FEATURES)
    (first, nothing), (second, _) = in_each_process(normalised_by_one_of_two, tmp_path)
    torch.testing.assert_close(first[0][0], values, rtol=1e-4, atol=1e-5)
    assert second[0][0].shape == (0, *FEATURES.shape[1:])
    torch.testing.assert_close([*second[1].values()], [*trained.values()])
    # Without a row on any device, as where ignored boxes cover all scenes, the statistics stay.
    torch.testing.assert_close([*nothing[1].values()], [*normalised(FEATURES[:0])[1].values()])
    assert all(not gradient.any() for gradient in nothing[2].values())


def normalised_jointly(rank):
    return normalised(FEATURES[:4] if rank == 0 else FEATURES[4:], synchronise=True)


def test_batch_normalisation_has_the_statistics_of_all(tmp_path):
    values, trained, gradients, evaluated = normalised(FEATURES)
    first, second = in_each_process(normalised_jointly, tmp_path)
    for whole, *parts in zip(values, first[0], second[0], strict=True):
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)
    for name, value in trained.items():
        torch.testing.assert_close(first[1][name], value)
        assert torch.equal(first[1][name], second[1][name])
    for name, value in gradients.items():
        torch.testing.assert_close(first[2][name] + second[2][name], value, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat([first[3], second[3]]), evaluated)


def test_on_cuda_pytorchs_own_is_taken_and_frozen_ones_stay(monkeypatch):
    monkeypatch.setattr(joint, "ranks", lambda: 2)
    network = nn.Sequential(nn.BatchNorm2d(3), FrozenBatchNorm(3), nn.Sequential(RowNormalisation(4)))
    before = network.state_dict()
    joint.synchronise_batch_norm(network, torch.device("cuda"))
    assert [type(part) for part in (network[0], network[1], network[2][0])] == [
        nn.SyncBatchNorm,
        FrozenBatchNorm,
        nn.SyncBatchNorm,
    ]
    assert network.state_dict().keys() == before.keys()


STEPS = {"steps": 4, "warmup_steps": 1, "optimizer": "sgd", "learning_rate": 0.01}
KINDS = (
    "detector",
    "reid",
    "oim",
    "lut",
    "kd",
    "uneven",
    "accumulated",
    "seqnet",
    "seqnet_kd",
    "qeeps",
    "qeeps_kd",
    "boxes_kl",
    "boxes_relational",
)


def trained(kind, prepared, crops):
    """Train a kind of network; return its weights, its target's state and its history."""
    if kind == "detector":
        network, history = train_detector(prepared, detector_training_options(**STEPS), silent)
        return network.state_dict(), {}, history
    if kind == "reid":
        network, history = train_reid(crops, reid_training_options(**STEPS | {"learning_rate": 1e-3}), silent)
        return network.state_dict(), {}, history
    # Differences of 1e-7 after two steps may grow by tens a step, on some processors: three where they do.
    special = {
        "uneven": {"batch_size": 3},
        "seqnet": {"batch_size": 3, "steps": 3},
        "qeeps": {"batch_size": 3, "steps": 3},
        "accumulated": {"accumulate": 2},
        "boxes_relational": {"steps": 3},
        "bf16": {"precision": "bf16-mixed", "steps": 1},
    }.get(kind, {})
    options = student_options(
        "lut" if kind in ("lut", "kd", "seqnet_kd", "qeeps_kd") else "oim",
        **({"batch_size": 4} | STEPS | special),
    )
    if kind.startswith(("seqnet", "qeeps")):
        options = with_head(options, kind.removesuffix("_kd"))
    teacher = None
    if kind.endswith("kd"):
        torch.manual_seed(3)
        teacher = Detector(detector_options()).eval()
        options = options.model_copy(update={"detector_distillation": DetectorDistillationOptions()})
    if kind.startswith("boxes"):
        target = kind.removeprefix("boxes_")
        boxes = BoxOptions(target=target, **({"sampled_rows": 8} if target == "kl" else {}))
        options = options.model_copy(update={"boxes": boxes})
    kept, step = [], PersonSearchNetwork.search_step
    build = student_module.build_identity_loss

    def in_float32(network, images, targets):
        assert all(target["boxes"].dtype == torch.float32 for target in targets)
        assert all(image.dtype == torch.float32 for image in images)
        return step(network, images, targets)

    def keep(*arguments):
        kept.append(build(*arguments))
        return kept[-1]

    student_module.build_identity_loss, PersonSearchNetwork.search_step = keep, in_float32
    try:
        teachers = Teachers(teacher_table(), teacher, box_rows=box_teacher(prepared))
        network, history = train_student(prepared, options, teachers, silent)
    finally:
        student_module.build_identity_loss, PersonSearchNetwork.search_step = build, step
    return network.state_dict(), kept[-1].state_dict(), history


PROGRAM = """
import sys
from pathlib import Path
import stages
import torch
from pipeline.basics.launchers import rank
from pipeline.scenes.prepared import open_prepared
from tests.training.test_joint import trained
prepared, crops, out, *kinds = sys.argv[1:]
results = [trained(kind, open_prepared(Path(prepared)), open_prepared(Path(crops))) for kind in kinds]
torch.save(results, f"{out}/{rank()}.pt")
"""


@pytest.fixture(scope="module")
def folders(prepared, tmp_path_factory):
    """The tiny data set and its crops, as folders."""
    crops = tmp_path_factory.mktemp("joint") / "crops"
    prepare(LabelledCrops(prepared, "train"), crops, silent)
    return str(prepared.root), str(crops)


def run_program(tmp_path, before, folders, kinds, **variables):
    """Run the program; return what each rank's trainings made."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PERSON_SEARCH_DEVICE": "cpu", **variables}
    environment.pop(STARTER_VARIABLE, None)
    processes = [
        subprocess.Popen(
            [*command, str(program), *folders, str(tmp_path), *kinds],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in before
    ]
    for process in processes:
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    return [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(RANKS)]


def check_same(kind, whole, part):
    for values, others in zip(whole[:2], part[:2], strict=True):
        for name, value in values.items():
            where = f"{kind}: {name}\n{{}}".format
            torch.testing.assert_close(others[name], value, rtol=1e-5, atol=1e-5, msg=where)
    for point, other in zip(whole[2], part[2], strict=True):
        assert other == pytest.approx(point, rel=1e-5, abs=1e-5), kind


@pytest.fixture(scope="module")
def alone(folders):
    """What one process trains, by kind."""
    opened = [open_prepared(Path(folder)) for folder in folders]
    return {kind: trained(kind, *opened) for kind in (*KINDS, "bf16")}


def test_two_processes_train_what_one_does(alone, folders, tmp_path, warm):
    first = [str(warm / "python")]
    ranks = run_program(tmp_path, [first], folders, [*KINDS, "bf16"], PERSON_SEARCH_DEVICES="2")
    for results in ranks:
        *in_float32, in_bfloat16 = results
        for kind, result in zip(KINDS, in_float32, strict=True):
            check_same(kind, alone[kind], result)
        # Sums in another order have other last bits, of eight: samples may differ after the first step.
        assert in_bfloat16[2][0] == pytest.approx(alone["bf16"][2][0], rel=0.02)


def test_torchrun_on_two_nodes_trains_what_one_process_does(alone, folders, tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    nodes = [
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"),
            *(f"--node-rank={node}", "--master-addr=127.0.0.1", f"--master-port={port}"),
        ]
        for node in range(2)
    ]
    for (result,) in run_program(tmp_path, nodes, folders, ["oim"]):
        check_same("oim", alone["oim"], result)
