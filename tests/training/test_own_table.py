"""The table that a student's own identity loss ended with."""

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.lookup_table import UNIT_TOLERANCE, check_fits, read_lookup_table, write_lookup_table
from pipeline.losses.boxes.targets import BoxOptions
from pipeline.losses.identity.targets import build_identity_loss
from pipeline.scenes.scene import UNLABELLED
from pipeline.training.student.own_table import check_own_table, own_rows, own_table
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student, train_with_target
from tests.tiny import IDENTITIES, silent
from tests.training.test_trainings import EMBEDDING, TARGETS, student_options, teacher_table

LEARNING = ("oim", "lut_ema")


def loss_of(target):
    return build_identity_loss(
        student_options(target).identity, IDENTITIES, EMBEDDING, None if target == "oim" else teacher_table()
    )


@pytest.mark.parametrize("target", LEARNING)
def test_it_is_what_the_loss_holds_after_the_last_step_and_fits_the_data(target, prepared, tmp_path):
    options = student_options(target, steps=20, warmup_steps=4)
    network, _, loss = train_with_target(prepared, options, Teachers(teacher_table()), silent)
    plain, _ = train_student(prepared, options, Teachers(teacher_table()), silent)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])
    rows = own_rows(loss, target)
    np.testing.assert_array_equal(rows, loss.table.numpy())
    assert not np.allclose(rows, teacher_table().numpy(), atol=0.1)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=UNIT_TOLERANCE)
    path = tmp_path / "own_table.h5"
    write_lookup_table(path, own_table(rows, prepared, "c" * 64))
    table = read_lookup_table(path)
    check_fits(table, path, prepared.name, prepared.sha256, IDENTITIES, EMBEDDING)
    people = np.concatenate([scene.person_ids for scene in prepared.split("train").scenes])
    assert table.counts.tolist() == [int((people == person).sum()) for person in range(IDENTITIES)]
    assert table.counts.sum() == int((people != UNLABELLED).sum())
    assert table.teacher_sha256 == "c" * 64


def test_people_without_a_row_are_counted_and_the_first_named():
    loss = loss_of("oim")
    people = torch.tensor([0, 2, UNLABELLED])
    loss.update(torch.nn.functional.normalize(torch.randn(3, EMBEDDING), dim=1), people)
    with pytest.raises(
        UserError, match=r"^x: .* 2 of 4 people have no row.*first: person 1.*training\.steps"
    ) as e:
        own_rows(loss, "x")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("target", TARGETS)
def test_only_a_table_that_learns_along_is_a_students_own(target):
    options, loss = student_options(target), loss_of(target)
    assert options.identity.learns_table == (target in LEARNING) == hasattr(loss, "momentum")
    if target in LEARNING:
        check_own_table(options, "x")
        return
    with pytest.raises(UserError, match=rf"^x: the identity target '{target}' learns no table"):
        check_own_table(options, "x")
    with pytest.raises(TypeError, match="learns no table"):
        own_rows(loss, "x")


def test_a_student_that_learns_by_box_alone_has_no_table_of_its_own():
    options = student_options().model_copy(update={"identity": None, "boxes": BoxOptions(target="kl")})
    with pytest.raises(UserError, match=r"^x: the target by box 'kl' learns no table"):
        check_own_table(options, "x")
    with pytest.raises(TypeError, match="learns no table"):
        own_rows(build_identity_loss(None, IDENTITIES, EMBEDDING, None), "x")
