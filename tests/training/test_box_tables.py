"""Students that learn from a table by box: with all heads, from unlabelled people, and stopped or not."""

import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.basics.interruption import Interrupted
from pipeline.basics.options import merged, parse_options
from pipeline.batches.ground_truth import BOX_ROWS, PERSON, QUERY
from pipeline.batches.loading import Share, TrainingPairs, TrainingScenes, pair_batches, scene_batches
from pipeline.batches.transforms import AugmentationOptions, scene_transform
from pipeline.box_table import TableOrigin, writing_box_table
from pipeline.lookup_table import LookupTable, write_lookup_table
from pipeline.losses.boxes.box_loss import BOX_TABLE
from pipeline.losses.boxes.targets import BoxOptions
from pipeline.losses.identity.targets import IdentityOptions
from pipeline.models.heads import HEADS, build_student
from pipeline.models.weight_files import save_weights
from pipeline.scenes.box_rows import NO_ROW, box_offsets
from pipeline.scenes.scene import Split
from pipeline.training.engine.checkpoints import Checkpoints
from pipeline.training.student.options import (
    NO_TABLE,
    UNKNOWN_DIM,
    StudentOptions,
    check_teachers,
    with_dim_of_table,
)
from pipeline.training.student.teachers import Teachers, read_teachers
from pipeline.training.student.training import train_student
from tests.tiny import EMPTY_SCENE, IDENTITIES, TRAIN_SCENES, search_options, silent
from tests.training.test_resume import stop_at
from tests.training.test_trainings import (
    EMBEDDING,
    box_teacher,
    mean_of,
    relabelled,
    student_options,
    teacher_table,
    with_head,
)

TARGETS = ("cosine", "kl", "relational")
every_head = pytest.mark.parametrize("head", HEADS)


def taught_by_boxes(target="kl", weight=0.0, head="oim", identity="oim", **training):
    """A student that learns by box, and by identity where that has a weight."""
    options = with_head(student_options(identity or "oim", **training), head)
    by_identity = None if identity is None else IdentityOptions(target=identity, weight=weight)
    boxes = BoxOptions(target=target, **({"sampled_rows": 8} if target == "kl" else {}))
    return options.model_copy(update={"identity": by_identity, "boxes": boxes})


def run(data, options, progress=silent, checkpoints=None):
    teachers = Teachers(teacher_table(), box_rows=box_teacher(data))
    return train_student(data, options, teachers, progress, checkpoints)


# Rows of boxes on their way from the scene to the loss.


def scenes_of(data, with_box_rows=True, flip=1.0):
    transform = scene_transform(AugmentationOptions(flip=flip))
    return TrainingScenes(data.split("train"), data.images("train"), transform, with_box_rows)


def test_boxes_have_the_rows_of_their_scene(prepared):
    split, scenes, rows = prepared.split("train"), scenes_of(prepared), []
    for index in range(TRAIN_SCENES):
        _, target = scenes[index, 0]
        assert target[BOX_ROWS].dtype == torch.int64
        assert len(target[BOX_ROWS]) == len(target["boxes"])
        rows += target[BOX_ROWS].tolist()
    assert rows == list(range(box_offsets(split.scenes)[-1]))
    assert BOX_ROWS not in scenes_of(prepared, with_box_rows=False)[0, 0][1]


def test_flips_leave_rows_with_their_boxes(prepared):
    one, other = (scenes_of(prepared, flip=flip)[1, 0][1] for flip in (0.0, 1.0))
    assert torch.equal(one[BOX_ROWS], other[BOX_ROWS])
    assert not torch.equal(one["boxes"], other["boxes"])


@pytest.mark.parametrize("batches_of", [scene_batches, pair_batches])
def test_rows_do_not_depend_on_the_workers(batches_of, prepared):
    alone, others = (
        [
            target[BOX_ROWS]
            for batch in batches_of(scenes_of(prepared), 3, 3, 0, Share(), 0, workers)
            for target in batch.targets
        ]
        for workers in (0, 1)
    )
    assert all(torch.equal(one, other) for one, other in zip(alone, others, strict=True))


def test_what_loads_data_holds_offsets_and_no_rows(prepared):
    sizes = [
        len(
            pickle.dumps(
                TrainingPairs(scenes_of(prepared, with_box_rows=rows)).scenes.__dict__ | {"images": 0}
            )
        )
        for rows in (False, True)
    ]
    assert sizes[1] - sizes[0] < 8 * (TRAIN_SCENES + 1) + 200


@every_head
def test_people_of_a_step_have_the_rows_of_the_boxes_they_matched(head, prepared):
    torch.manual_seed(0)
    network = build_student(search_options(head=head)).train()
    batches = pair_batches if network.trains_on_pairs else scene_batches
    ids = np.concatenate([scene.person_ids for scene in prepared.split("train").scenes])
    seen = 0
    for batch in batches(scenes_of(prepared), 4, 4, 0, Share(), 0, 0):
        step = network.search_step(batch.images, batch.targets)
        assert step.box_rows.shape == step.person_ids.shape
        assert ids[step.box_rows.numpy()].tolist() == step.person_ids.tolist()
        shown = torch.cat([target[BOX_ROWS] for target in batch.targets])
        assert torch.isin(step.box_rows, shown).all()
        seen += len(step.box_rows)
        if network.trains_on_pairs:
            queries = [target[BOX_ROWS][target[QUERY]] for target in batch.targets if QUERY in target]
            assert torch.isin(torch.cat(queries), step.box_rows).all()
    assert seen > 10


@every_head
def test_without_a_table_a_step_has_no_rows(head, prepared):
    network = build_student(search_options(head=head)).train()
    batches = pair_batches if network.trains_on_pairs else scene_batches
    (batch,) = batches(scenes_of(prepared, with_box_rows=False), 2, 1, 0, Share(), 0, 0)
    assert network.search_step(batch.images, batch.targets).box_rows is None


def test_scenes_without_people_or_without_rows_match_no_row(prepared):
    network = build_student(search_options()).train()
    images = [torch.rand(3, 96, 128) for _ in range(3)]
    shown, empty = (scenes_of(prepared)[index, 0][1] for index in (1, EMPTY_SCENE))
    without = {name: values for name, values in shown.items() if name != BOX_ROWS}
    step = network.detection_step(images, [shown, empty, without])
    rows = torch.split(step.rois.box_rows, [len(boxes) for boxes in step.rois.boxes])
    people = torch.split(step.rois.labels == PERSON, [len(boxes) for boxes in step.rois.boxes])
    assert set(rows[0][people[0]].tolist()) <= set(shown[BOX_ROWS].tolist())
    assert (rows[1] == NO_ROW).all()
    assert people[2].any()
    assert (rows[2] == NO_ROW).all()


# Trainings.


@pytest.mark.parametrize(
    ("target", "head"), [*((target, "oim") for target in TARGETS), ("kl", "seqnet"), ("kl", "qeeps")]
)
def test_targets_teach_students_of_all_heads(target, head, prepared):
    network, history = run(prepared, taught_by_boxes(target, head=head, steps=16, warmup_steps=4))
    assert isinstance(network, HEADS[head])
    assert mean_of(history[-4:], BOX_TABLE) < 0.9 * mean_of(history[:3], BOX_TABLE)


def test_tables_by_identity_and_by_box_go_together(prepared):
    options = taught_by_boxes("kl", weight=0.5, identity="lut", steps=16, warmup_steps=4)
    assert options.weights()["identity"] == 0.5
    assert options.weights()[BOX_TABLE] == 1.0
    _, history = run(prepared, options)
    for name in (BOX_TABLE, "identity"):
        assert mean_of(history[-4:], name) < mean_of(history[:3], name)


@every_head
def test_boxes_alone_can_teach(head, prepared):
    options = taught_by_boxes("kl", head=head, identity=None, steps=16, warmup_steps=4)
    assert "identity" not in options.weights()
    network, history = run(prepared, options)
    assert isinstance(network, HEADS[head])
    assert "identity" not in history[0]
    assert mean_of(history[-4:], BOX_TABLE) < 0.9 * mean_of(history[:3], BOX_TABLE)


def test_no_identity_target_is_the_network_of_one_that_weighs_nothing(prepared):
    """So an entry that states a weight of 0 needs no other training."""
    (alone, _), (weighted, _) = (run(prepared, taught_by_boxes(identity=name)) for name in (None, "oim"))
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in weighted.state_dict().items())


@pytest.mark.parametrize("names", [("a", "b", "c", "d"), ()])
def test_nobody_needs_to_be_labelled(names, tmp_path):
    def nobody(split):
        scenes = tuple(type(s)(s.name, s.boxes, s.person_ids * 0 - 1, s.camera) for s in split.scenes)
        return Split(split.name, scenes, names)

    data = relabelled(tmp_path, nobody)
    _, history = run(data, taught_by_boxes("kl", steps=12, warmup_steps=3))
    assert all(row["identity"] == 0 for row in history)
    assert mean_of(history[-3:], BOX_TABLE) < mean_of(history[:3], BOX_TABLE)


def test_without_its_weight_the_embedding_learns_nothing(prepared):
    options = taught_by_boxes("cosine", weight_decay=0.0)
    boxes = options.boxes.model_copy(update={"weight": 0.0})
    network, _ = run(prepared, options.model_copy(update={"boxes": boxes}))
    torch.manual_seed(options.seed)
    start = build_student(options.network)
    assert torch.equal(network.embedding.weight, start.embedding.weight)


def test_a_students_other_losses_start_as_without_a_table_by_box(prepared):
    """The loss by box draws from a generator of its own."""
    _, plain = run(prepared, taught_by_boxes(steps=1).model_copy(update={"boxes": None}))
    _, other = run(prepared, taught_by_boxes(steps=1))
    assert all(value == other[0][name] for name, value in plain[0].items() if name != "total")


def files_of(network, history, options, folder):
    save_weights(folder / "w", "person_search", options.network, network.state_dict())
    return (folder / "w").read_bytes(), history


def test_the_same_bytes_whatever_the_workers(prepared, tmp_path, monkeypatch):
    found = []
    for workers in "01":
        monkeypatch.setenv("PERSON_SEARCH_WORKERS", workers)
        torch.rand(int(workers))  # what was drawn before does not matter
        options = taught_by_boxes()
        found.append(files_of(*run(prepared, options), options, tmp_path))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("target", "accumulate", "identity"), [("kl", 2, "oim"), ("relational", 1, "oim"), ("kl", 1, None)]
)
def test_stopped_and_gone_on_is_never_stopped(target, accumulate, identity, prepared, tmp_path):
    options = taught_by_boxes(
        target, weight=0.5, identity=identity, steps=6, warmup_steps=2, accumulate=accumulate
    )
    whole = files_of(*run(prepared, options), options, tmp_path)
    checkpoints = Checkpoints(tmp_path / "checkpoints", steps=100)
    with pytest.raises(Interrupted):
        run(prepared, options, stop_at(3, signal.SIGTERM), checkpoints)
    kept = checkpoints.newest().state["shared"]["training"]["modules"]["box_loss"]
    assert {name: int(value) for name, value in kept.items()} == (
        {"batches": 3 * accumulate} if target == "kl" else {}
    )
    torch.manual_seed(9)  # whatever happens in between
    assert files_of(*run(prepared, options, checkpoints=checkpoints), options, tmp_path) == whole


# Tables and options.


@pytest.fixture
def tables(prepared, tmp_path):
    """Files of each level, of the tiny data set."""
    rows, origin = teacher_table().numpy(), ("tiny", prepared.sha256, "c" * 64)
    table = LookupTable(rows, np.arange(IDENTITIES), np.ones(IDENTITIES, dtype=np.int64), *origin)
    write_lookup_table(tmp_path / "identity.h5", table)
    offsets = box_offsets(prepared.split("train").scenes)
    for level in ("box", "both"):
        with writing_box_table(tmp_path / f"{level}.h5", offsets, EMBEDDING, TableOrigin(*origin)) as writer:
            writer.append(box_teacher(prepared).numpy())
            if level == "both":
                writer.add_identities(table)
    return {level: str(tmp_path / f"{level}.h5") for level in ("identity", "box", "both")}


def naming(options, table):
    return options.model_copy(update={"table": table})


def test_teachers_are_of_the_levels_that_are_learned_from(prepared, tables):
    by_box = read_teachers(naming(taught_by_boxes(), tables["box"]), prepared, "x")
    assert by_box.table is None
    assert by_box.box_rows.dtype == torch.float16
    torch.testing.assert_close(by_box.box_rows, box_teacher(prepared), atol=1e-3, rtol=0)
    assert by_box.sha256 == {"table": sha256_of(Path(tables["box"]))}
    both = read_teachers(naming(taught_by_boxes(identity="lut"), tables["both"]), prepared, "x")
    assert torch.equal(both.table, teacher_table())
    assert torch.equal(both.box_rows, by_box.box_rows)
    alone = read_teachers(naming(taught_by_boxes(identity=None), tables["both"]), prepared, "x")
    assert alone.table is None
    assert torch.equal(alone.box_rows, by_box.box_rows)
    identity = read_teachers(naming(student_options("lut"), tables["both"]), prepared, "x")
    assert identity.box_rows is None


@pytest.mark.parametrize(
    ("options", "level", "says"),
    [
        (taught_by_boxes(), "identity", "one row an identity and none a box"),
        (taught_by_boxes(identity="lut"), "box", "has no identity rows"),
        (student_options("lut"), "box", "has no identity rows"),
        (
            taught_by_boxes().model_copy(update={"network": search_options(embedding_dim=8)}),
            "box",
            "16 dimensions, the student's embedding 8",
        ),
    ],
)
def test_a_table_without_what_is_learned_from_is_one_line(options, level, says, prepared, tables):
    with pytest.raises(UserError, match=says) as error:
        read_teachers(naming(options, tables[level]), prepared, "x")
    assert "\n" not in str(error.value)


def test_a_table_of_other_scenes_is_refused(prepared, tables, tmp_path):
    data = relabelled(tmp_path, lambda split: Split(split.name, split.scenes[1:], split.identities))
    with pytest.raises(UserError, match="10 scenes, the training 9"):
        read_teachers(naming(taught_by_boxes(), tables["box"]), data, "x")


def test_by_box_there_must_be_a_table():
    with pytest.raises(UserError, match=r"^x: 'boxes' needs a table by box; set table: FILE"):
        check_teachers(taught_by_boxes(), "x")
    with pytest.raises(UserError, match=r"^x: 'boxes' needs a table by box; set table: FILE"):
        check_teachers(taught_by_boxes(identity=None), "x")
    check_teachers(naming(taught_by_boxes(), "artifacts/b.h5"), "x")
    check_teachers(naming(taught_by_boxes(identity=None), "artifacts/b.h5"), "x")
    with pytest.raises(UserError, match=r"learns from no table, but table is artifacts/b.h5"):
        check_teachers(naming(student_options("oim"), "artifacts/b.h5"), "x")


def test_options_without_boxes_are_written_as_before():
    assert "boxes" not in student_options().model_dump()
    written = taught_by_boxes().model_dump(mode="json")
    assert written["boxes"] == {"target": "kl", "weight": 1.0, "scale": 8.0, "sampled_rows": 8}
    for options in (taught_by_boxes(), taught_by_boxes(identity=None)):
        assert StudentOptions.model_validate_json(options.model_dump_json()) == options


def entry(**changes):
    stated = student_options("kl").model_dump(mode="json", exclude_unset=True)
    return parse_options(StudentOptions, merged(stated, changes), "params.yaml: x")


def test_the_embedding_can_have_the_size_of_the_table(tables):
    options = entry(table=tables["box"], network={"embedding_dim": "table"})
    assert options.network.embedding_dim == UNKNOWN_DIM
    sized = with_dim_of_table(options, "x")
    assert sized.network == search_options(embedding_dim=EMBEDDING)
    assert sized.model_dump(exclude={"network"}) == options.model_dump(exclude={"network"})
    plain = entry(table=tables["box"])
    assert with_dim_of_table(plain, "x") is plain


def test_a_size_that_is_not_known_is_one_line(tables):
    with pytest.raises(UserError, match=r"network.embedding_dim.*greater than 0"):
        entry(network={"embedding_dim": UNKNOWN_DIM})
    with pytest.raises(UserError, match=r"network.embedding_dim.*valid integer"):
        entry(network={"embedding_dim": "tables"})
    with pytest.raises(UserError, match=r"unknown parameter 'network.oddity'"):
        entry(network={"embedding_dim": "table", "oddity": 1})
    unnamed = entry(identity={"target": "oim"}, network={"embedding_dim": "table"}, table=NO_TABLE)
    with pytest.raises(UserError, match=r"^x: network.embedding_dim is 'table', but there is none"):
        with_dim_of_table(unnamed, "x")
    missing = entry(table="artifacts/none.h5", network={"embedding_dim": "table"})
    with pytest.raises(UserError, match=r"no look-up table at artifacts/none.h5"):
        with_dim_of_table(missing, "x")
    with pytest.raises(RuntimeError, match="negative dimension"):
        build_student(missing.network)
