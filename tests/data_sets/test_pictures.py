"""The data set kind `pictures`: read, checked, packed, and trained on without any labelled person."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.datasets.crops import LabelledCrops
from pipeline.datasets.packing import prepare
from pipeline.datasets.pictures import Pictures
from pipeline.datasets.sources import open_data_set
from pipeline.losses.detector_distillation import DetectorDistillationOptions
from pipeline.models.detector import Detector
from pipeline.scenes.scene import UNKNOWN_CAMERA, UNLABELLED
from pipeline.training.detector import train_detector
from pipeline.training.student.teachers import Teachers
from pipeline.training.student.training import train_student
from tests.tiny import HEIGHT, TRAIN_SCENES, WIDTH, TinyDataSet, detector_options, silent
from tests.training.test_trainings import detector_training_options, student_options, with_head

ALL_IGNORED = 3
"""A scene that an ignored box covers."""


def annotation(image, box, **more):
    x1, y1, x2, y2 = map(float, box)
    return {"image_id": image, "bbox": [x1, y1, x2 - x1, y2 - y1], **more}


def write_folder(root):
    """Write the tiny data set's training scenes as `annotate` does: the last box of each is unsure."""
    tiny = TinyDataSet()
    images, annotations = [], []
    (root / "frames").mkdir(parents=True)
    for index, scene in enumerate(tiny.splits()["train"].scenes):
        (root / "frames" / scene.name).write_bytes(tiny.image_bytes("train", index))
        images.append({"id": index + 1, "file_name": scene.name, "width": WIDTH, "height": HEIGHT})
        if index == ALL_IGNORED:
            annotations.append(annotation(index + 1, (0, 0, WIDTH, HEIGHT), iscrowd=1))
            continue
        images[-1] |= {"camera": f"door {index % 2}"}
        annotations += [
            annotation(index + 1, box, ignore=int(place == 2)) for place, box in enumerate(scene.boxes)
        ]
    content = {"info": {}, "images": images, "annotations": annotations, "categories": []}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("pictures") / "out")


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory):
    return prepare(Pictures(folder), tmp_path_factory.mktemp("prepared") / "prepared", silent)


def test_it_is_what_was_annotated(folder):
    splits = open_data_set("pictures", folder).splits()
    assert list(splits) == ["train"]
    split = splits["train"]
    assert split.identities == ()
    for index, (scene, tiny) in enumerate(
        zip(split.scenes, TinyDataSet().splits()["train"].scenes, strict=True)
    ):
        assert scene.name == tiny.name
        if index == ALL_IGNORED:
            assert (scene.boxes.shape, scene.camera) == ((0, 4), UNKNOWN_CAMERA)
            assert scene.ignored.tolist() == [[0, 0, WIDTH, HEIGHT]]
            continue
        assert scene.camera == index % 2
        assert scene.boxes.tolist() == tiny.boxes[:2].tolist()
        assert scene.ignored.tolist() == tiny.boxes[2:].tolist()
        assert scene.person_ids.tolist() == [UNLABELLED] * len(scene.boxes)


def test_it_is_packed_without_a_test_split(data):
    counts = data.manifest["splits"]["train"]["counts"]
    assert (counts["scenes"], counts["labelled"], counts["identities"]) == (TRAIN_SCENES, 0, 0)
    assert counts["ignored"] == TRAIN_SCENES - 1
    says = (
        r"data set 'pictures' has no split 'test'; it has train; `person-search validate WEIGHTS --split test"
    )
    with pytest.raises(UserError, match=says):
        data.split("test")


def test_there_are_no_crops_of_nobody(data, tmp_path):
    assert len(prepare(LabelledCrops(data, "train"), tmp_path / "crops", silent).split("train").scenes) == 0


def test_check_data_knows_it(folder):
    result = CliRunner().invoke(
        main, ["check-data", "--dataset", "pictures", "--root", str(folder), "--images"]
    )
    assert result.exit_code == 0, result.output
    assert f"{TRAIN_SCENES} frames with a detector's boxes; nobody is labelled" in result.output
    assert (
        f"{TRAIN_SCENES - 1} boxes of split 'train' are ignored: neither people nor background"
        in result.output
    )
    assert f"({TRAIN_SCENES} pictures decoded)" in result.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda c: c.pop("images"),
            r"annotations.json is not as `annotate` writes it \(KeyError\('images'\)\)",
        ),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2]),
            r"annotations.json is not as `annotate` writes it",
        ),
        (lambda c: c["images"][0].update(file_name="../a.jpg"), r"'../a.jpg' leads out of the folder"),
        (
            lambda c: c["annotations"][0].update(bbox=[500, 1, 5, 5]),
            r"box \[500, 1, 505, 6\] lies outside its image of 128 x 96",
        ),
        (
            lambda c: c["annotations"][2].update(bbox=[1, 1, 0, 5]),
            r"ignored box \[1, 1, 1, 6\] has no area",
        ),
        (lambda c: c["images"][0].update(file_name="gone.jpg"), r"gone.jpg is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(change, says, tmp_path):
    root = write_folder(tmp_path / "out")
    content = json.loads((root / "annotations.json").read_text())
    change(content)
    (root / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=says):
        prepare(Pictures(root), tmp_path / "prepared", silent)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(UserError, match=r"annotations.json is missing, of `annotate`; give the folder"):
        Pictures(tmp_path).splits()


def test_a_detector_learns_from_it(data):
    network, history = train_detector(
        data, detector_training_options(batch_size=1, steps=TRAIN_SCENES), silent
    )
    assert all(np.isfinite(row["total"]) for row in history)
    assert all(value.isfinite().all() for value in network.state_dict().values())


@pytest.mark.parametrize(("head", "queue"), [("oim", 0), ("oim", 4), ("seqnet", 4)])
def test_an_oim_student_learns_to_detect_without_identities(head, queue, data):
    """Batches of one scene: among them are scenes without anybody, and one that an ignored box covers."""
    options = with_head(student_options("oim", batch_size=1, steps=TRAIN_SCENES), head)
    identity = options.identity.model_copy(update={"queue_size": queue})
    options = options.model_copy(update={"identity": identity})
    network, history = train_student(data, options, Teachers(), silent)
    assert all(row["identity"] == 0 and np.isfinite(row["total"]) for row in history)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_a_detector_teacher_teaches_a_student_without_identities(data):
    torch.manual_seed(0)
    teacher = Detector(detector_options()).eval()
    options = student_options("oim", batch_size=1, steps=TRAIN_SCENES)
    options = options.model_copy(update={"detector_distillation": DetectorDistillationOptions()})
    _, history = train_student(data, options, Teachers(detector=teacher), silent)
    assert all(np.isfinite(row["total"]) for row in history)
