"""COCO JSON as tools export it, with all that goes wrong in such files: right, or one line with the place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.coco import Coco
from pipeline.datasets.coco_file import key_of, person_of
from pipeline.datasets.coco_options import CocoOptions
from pipeline.datasets.image_checks import check_images
from pipeline.datasets.split_options import SplitOptions
from pipeline.scenes.scene import UNLABELLED, Scene
from tests.data_sets.own_trees import image, person, write_coco

ALL = SplitOptions(val_share=0.0, test_share=0.0)
"""Everything is for training."""


def scenes(root: Path, **options: Any) -> dict[str, tuple[Scene, list[str | None]]]:
    """Return the scenes by name, each with who is in its boxes."""
    split = Coco(root, CocoOptions(**options), ALL).splits()["train"]
    return {
        scene.name: (scene, [None if p == UNLABELLED else split.identities[p] for p in scene.person_ids])
        for scene in split.scenes
    }


def problems(root: Path, **options: Any) -> list[str]:
    return Coco(root, CocoOptions(**options), ALL).inspect().findings.problems


def cvat(root: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return a small export of CVAT (COCO 1.0): attributes in a dict, masks as polygons or RLE."""
    rle = {"counts": [0, 5, 10], "size": [100, 120]}
    marks = {"occluded": False, "track_id": 0, "keyframe": True}
    write_coco(
        root,
        [image(1, "frame_000000.jpg", license=0, flickr_url="", coco_url="", date_captured=0), image(2)],
        [
            person(1, 1, segmentation=[], area=800.0, attributes={**marks, "person_id": "7", "camera": "2"}),
            person(2, 1, (50, 5, 10, 20), segmentation=rle, area=9, iscrowd=1, attributes=marks),
            person(3, 2, segmentation=rle, attributes={**marks, "person_id": "", "camera": "1"}),
        ],
        name="annotations/instances_default.json",
    )
    return root, {"annotations": "annotations/instances_default.json"}


def fiftyone(root: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return a small export of FiftyOne: categories from 0, attributes in the annotation itself."""
    categories = [{"id": 0, "name": "person", "supercategory": None}, {"id": 1, "name": "car"}]
    write_coco(
        root,
        [image(1, "frame_000000.jpg", license=None, coco_url=None, camera=2), image(2, camera=1)],
        [
            {**person(1, 1, person_id=7), "category_id": 0, "score": 0.9},
            {**person(2, 1, (50, 5, 10, 20), iscrowd=1), "category_id": 0},
            {**person(3, 2, person_id=None), "category_id": 0},
            {**person(4, 2, (1, 1, 5, 5)), "category_id": 1},
        ],
        categories,
        "labels.json",
    )
    (root / "images").rename(root / "data")
    return root, {"annotations": "labels.json", "images": "data"}


def supervision(root: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return a small export of supervision, with what its `Detections.data` holds in `extra`."""
    write_coco(
        root,
        [image(1, "frame_000000.jpg", license=1, date_captured="07/20/2026"), image(2)],
        [
            person(1, 1, area=800, segmentation=[], extra={"person_id": 7.0, "camera": 2}),
            person(2, 1, (50, 5, 10, 20), area=9, ignore=1),
            person(3, 2, area=800, segmentation=[], extra={"person_id": -1, "camera": 1}),
        ],
        [{"id": 1, "name": "Person", "supercategory": "common-objects"}],
    )
    return root, {}


@pytest.mark.parametrize("export", [cvat, fiftyone, supervision])
def test_exports_of_tools(export: Any, tmp_path: Path) -> None:
    root, options = export(tmp_path)
    found = scenes(root, **options)
    first, people = found["frame_000000.jpg"]
    assert people == ["7"] and first.camera == 2
    assert first.boxes.tolist() == [[10, 10, 30, 50]] and first.ignored.tolist() == [[50, 5, 60, 25]]
    other, people = found["2.jpg"]
    assert people == [None] and other.camera == 1 and not len(other.ignored)
    findings = Coco(root, CocoOptions(**options), ALL).inspect()
    check_images(findings, findings.findings, decode=True)
    assert not findings.findings.problems


def test_ids_are_the_same_as_numbers_and_texts(tmp_path: Path) -> None:
    write_coco(
        tmp_path,
        [image("1", "a.jpg"), image(2.0, "b.jpg"), image("x-9", "c.jpg")],
        [
            person("a", 1, person_id=5),
            person(2, "2", person_id="5"),
            person(3, "x-9", person_id=5.0),
            person(4, "x-9", (50, 10, 20, 40), person_id="anna"),
        ],
    )
    assert [people for _, people in scenes(tmp_path).values()] == [["5"], ["5"], ["5", "anna"]]


def test_unlabelled_and_ids() -> None:
    nobody = (None, "", "  ", -1, "-1", -2, -1.0, float("nan"), "nan", "null", True, [], {})
    assert [person_of(value) for value in nobody] == [None] * len(nobody)
    assert [person_of(value) for value in (0, "0", 7.0, "a-1", 1.5)] == ["0", "0", "7", "a-1", "1.5"]
    assert key_of("\ud800") == "?" and key_of(10**30) == str(10**30)


def test_boxes_over_the_edge_are_cut_and_empty_ones_left_out(tmp_path: Path) -> None:
    boxes = [(-5, -5, 25, 45), (100, 80, 50, 50), (5, 5, 0, 10), (5, 5, 10, -4), (119.95, 5, 10, 10)]
    write_coco(tmp_path, [image(1)], [person(n, 1, box, person_id=n) for n, box in enumerate(boxes)])
    scene, people = scenes(tmp_path)["1.jpg"]
    assert people == ["0", "1"] and scene.boxes.tolist() == [[0, 0, 20, 40], [100, 80, 120, 100]]
    notes = Coco(tmp_path, split=ALL).inspect().findings.notes
    assert "2 boxes reach over their image's edge and were cut" in notes
    places = "annotations.json: annotation 2 (1.jpg), annotations.json: annotation 3 (1.jpg)"
    assert f"2 boxes without width or height left out: {places}" in notes
    assert any(note.startswith("1 boxes thinner") for note in notes)


@pytest.mark.parametrize(
    ("annotation", "line"),
    [
        (
            person(9, 1, (200, 5, 10, 10)),
            "annotation 9 (1.jpg): box [200, 5, 210, 15] lies outside its image",
        ),
        (person(9, 1, (1, 2, 3)), "annotation 9 (1.jpg): bbox [1, 2, 3] is no x, y, width, height"),
        (person(9, 1, (1, 2, 3, None)), "annotation 9 (1.jpg): bbox [1, 2, 3, None] is no"),
        (person(9, 1, (1, 2, 3, float("nan"))), "annotation 9 (1.jpg): bbox [1, 2, 3, nan] is no"),
        (person(9, 1, (1, 2, 3, "4")), "annotation 9 (1.jpg): bbox [1, 2, 3, '4'] is no"),
        ({"id": 9, "image_id": 1, "category_id": 1}, "annotation 9 (1.jpg): bbox None is no"),
        (person(9, 33), "annotation 9: there is no image 33"),
        (person(9, None), "annotation 9: there is no image None"),
        ({**person(9, 1), "category_id": 5}, "annotation 9: there is no category 5"),
    ],
)
def test_a_bad_annotation_is_one_line_with_its_place(annotation: Any, line: str, tmp_path: Path) -> None:
    write_coco(tmp_path, [image(1)], [person(1, 1, person_id=1), annotation])
    (found,) = problems(tmp_path)
    assert found.startswith(f"annotations.json: {line}")


@pytest.mark.parametrize(
    ("images", "line"),
    [
        ([image(1), image(1, "b.jpg")], "image 1, number 2: another image has the same id"),
        ([image(1), image("1", "b.jpg")], "image '1', number 2: another image has the same id"),
        ([image(1), image(2, "1.jpg")], "image 2: 1.jpg is annotations.json: image 1, too"),
        ([image(1), image(2, "../b.jpg")], "image 2, number 2: its file_name '../b.jpg' leads out of"),
        ([image(1), image(2, "a\\b.jpg")], "image 2, number 2: its file_name 'a\\\\b.jpg' has a backslash"),
        ([image(1), {"id": 2}], "image 2, number 2: its file_name is None"),
        ([image(1), {"file_name": "b.jpg"}], "image None, number 2: it has no id"),
        ([image(1), image(2, width=999)], "image 2: 2.jpg is 120 x 100, the annotation says 999 x 100"),
    ],
)
def test_a_bad_image_is_one_line_with_its_place(images: list, line: str, tmp_path: Path) -> None:
    write_coco(tmp_path, images, [person(1, 1, person_id=1)])
    (found,) = problems(tmp_path)
    assert found.startswith(f"annotations.json: {line}")


def test_a_picture_that_is_missing_or_no_jpeg_is_named(tmp_path: Path) -> None:
    write_coco(tmp_path, [image(1), image(2, "b.png")], [person(1, 1, person_id=1)])
    (tmp_path / "images/1.jpg").unlink()
    (tmp_path / "images/b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    inspection = Coco(tmp_path, split=ALL).inspect()
    findings = Findings()
    check_images(inspection, findings, decode=False)
    assert findings.problems[0].endswith("images/1.jpg is missing") and "b.png is" in findings.problems[1]


def test_one_annotation_twice_counts_once_and_one_id_on_two_boxes_is_a_fault(tmp_path: Path) -> None:
    twice, other = person(1, 1, person_id=1), person(1, 1, (50, 10, 20, 40), person_id=2)
    none = [{**other, "id": None}, {**person(0, 1, (80, 10, 20, 40), person_id=3), "id": None}]
    write_coco(tmp_path, [image(1)], [twice, twice, *none])
    assert scenes(tmp_path)["1.jpg"][1] == ["1", "2", "3"]
    notes = Coco(tmp_path, split=ALL).inspect().findings.notes
    assert "annotations.json: annotation 1 (1.jpg) is there twice; one is taken" in notes
    same = "annotations.json: annotation 1: another annotation has the same id, of image 1"
    for second in (other, {**twice, "person_id": 2}, {**twice, "image_id": 2}):
        write_coco(tmp_path, [image(1), image(2)], [twice, second])
        assert problems(tmp_path) == [same]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"person_id": [5]}, "person_id [5] is no id: give a number or a text"),
        ({"person_id": {}}, "person_id {} is no id"),
        ({"person_id": True}, "person_id True is no id"),
        ({"person_id": float("inf")}, "person_id inf is no id"),
        ({"attributes": {"person_id": False}}, "person_id False is no id"),
        ({"camera": [1]}, "camera [1] is no id"),
        ({"attributes": []}, "attributes [] is no object of names and values"),
        ({"extra": "x"}, "extra 'x' is no object of names and values"),
        ({"iscrowd": "yes"}, "iscrowd 'yes' is neither 0 nor 1"),
        ({"iscrowd": 2}, "iscrowd 2 is neither 0 nor 1"),
        ({"attributes": {"ignore": []}}, "ignore [] is neither 0 nor 1"),
    ],
)
def test_values_of_a_wrong_type_are_one_line_with_their_place(
    values: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write_coco(tmp_path, [image(1)], [person(1, 1, person_id=1), person(9, 1, (50, 10, 20, 40), **values)])
    (found,) = problems(tmp_path)
    assert found.startswith(f"annotations.json: annotation 9: {says}")


@pytest.mark.parametrize("mark", [None, 0, False, 0.0, "", "0", "false"])
def test_marks_that_are_not_set(mark: object, tmp_path: Path) -> None:
    write_coco(tmp_path, [image(1)], [person(1, 1, person_id=1, **{"ignore": mark, "attributes": None})])
    assert scenes(tmp_path)["1.jpg"][1] == ["1"]


def test_texts_for_nobody_are_counted(tmp_path: Path) -> None:
    whose = ("None", "null", "None", 4, "nora", None, "")
    boxes = [(10 * n, 10, 8, 40) for n in range(len(whose))]
    annotations = [
        person(n, 1, box, person_id=who) for n, (box, who) in enumerate(zip(boxes, whose, strict=True))
    ]
    write_coco(tmp_path, [image(1)], annotations)
    assert scenes(tmp_path)["1.jpg"][1] == [None, None, None, "4", "nora", None, None]
    notes = Coco(tmp_path, split=ALL).inspect().findings.notes
    assert "2 annotations of annotations.json have the text 'None' as person_id: unlabelled" in notes
    assert "1 annotations of annotations.json have the text 'null' as person_id: unlabelled" in notes
    assert len([note for note in notes if "have the text" in note]) == 2


def test_an_attribute_of_the_camera_or_the_sequence_that_is_nowhere_is_named(tmp_path: Path) -> None:
    own = [person(1, 1, person_id=1), person(2, 2, person_id=1, zone="b")]
    write_coco(tmp_path, [image(1, cam=3), image(2, cam=None)], own)
    assert [scene.camera for scene, _ in scenes(tmp_path).values()] == [-1, -1]
    assert problems(tmp_path, camera="camrea") == [
        "annotations.json: no image or annotation has the attribute 'camrea'; set `coco.camera` to the one "
        "that names the camera (there are cam, person_id, zone), or to null"
    ]
    assert problems(tmp_path, sequence="vidoe") == [
        "annotations.json: no image has the attribute 'vidoe'; set `coco.sequence` to the one "
        "that says which pictures belong together (there are cam), or to null"
    ]
    for sound in ({"camera": "cam"}, {"camera": "zone"}, {"camera": None}, {"sequence": "file_name"}):
        assert not problems(tmp_path, **sound)


def test_the_camera_is_stated_once(tmp_path: Path) -> None:
    write_coco(tmp_path, [image(1, "cam3_1.jpg", camera=5)], [person(1, 1, person_id=1)])
    for sound in ({}, {"camera": None}):
        assert scenes(tmp_path, camera_pattern=r"cam(\d+)_", **sound)["cam3_1.jpg"][0].camera == 3
    (found,) = problems(tmp_path, camera="camera", camera_pattern=r"cam(\d+)_")
    assert found.startswith("`coco.camera` and `coco.camera_pattern` are both stated")


def test_what_the_attributes_are_called(tmp_path: Path) -> None:
    write_coco(
        tmp_path,
        [image(1, "cam3_1.jpg"), image(2, "cam12_2.jpg")],
        [person(1, 1, attributes={"track_id": 4}), person(2, 2, attributes={"track_id": 4})],
    )
    (found,) = problems(tmp_path)
    assert "no annotation has the attribute 'person_id'" in found and "there are track_id" in found
    assert [people for _, people in scenes(tmp_path, identity=None).values()] == [[None], [None]]
    found = scenes(tmp_path, identity="track_id", camera_pattern=r"cam(\d+)_", ids_per_sequence=True)
    assert [(scene.camera, people) for scene, people in found.values()] == [(3, ["3/4"]), (12, ["12/4"])]
    assert "finds no camera in cam3_1.jpg" in problems(tmp_path, identity=None, camera_pattern="x")[0]
    with pytest.raises(ValidationError, match="regular expression"):
        CocoOptions(camera_pattern="(")


def test_cameras_that_are_names_are_numbered(tmp_path: Path) -> None:
    images = [image(1, camera="yard"), image(2, camera="door"), image(3)]
    write_coco(tmp_path, images, [person(1, 1, person_id=1, camera="roof")])
    assert problems(tmp_path) == ["annotations.json: image 1: 1.jpg has several cameras: roof, yard"]
    write_coco(tmp_path, images, [person(1, 1, person_id=1)])
    assert [scene.camera for scene, _ in scenes(tmp_path).values()] == [2, 1, -1]


def test_categories(tmp_path: Path) -> None:
    two = [{"id": 1, "name": "pedestrian"}, {"id": 2, "name": "rider"}]
    write_coco(
        tmp_path,
        [image(1)],
        [person(1, 1, person_id=1), {**person(2, 1, (50, 10, 20, 40), person_id=2), "category_id": 2}],
        two,
    )
    assert problems(tmp_path) == [
        "annotations.json has no category 'person'; set `coco.category` to that of people: pedestrian, rider"
    ]
    assert scenes(tmp_path, category="Pedestrian")["1.jpg"][1] == ["1"]
    assert scenes(tmp_path, category=["pedestrian", "rider"])["1.jpg"][1] == ["1", "2"]


def test_files_of_splits_win(tmp_path: Path) -> None:
    for name, ids in (("a", (1, 2)), ("b", (3, 4))):
        write_coco(
            tmp_path, [image(n) for n in ids], [person(n, n, person_id=7) for n in ids], name=f"{name}.json"
        )
    data = Coco(tmp_path, CocoOptions(annotations={"train": "a.json", "test": ["b.json"]}))
    splits = data.splits()
    assert [[scene.name for scene in split.scenes] for split in splits.values()] == [
        ["1.jpg", "2.jpg"],
        ["3.jpg", "4.jpg"],
    ]
    assert splits["train"].identities == splits["test"].identities == ("7",)
    assert len(splits["test"].queries) == 2
    assert any("in both train and test" in note for note in data.inspect().findings.notes)
    both = Coco(tmp_path, CocoOptions(annotations=["a.json", "b.json"]), ALL).splits()["train"]
    assert len(both.scenes) == 4 and both.identities == ("7",)


@pytest.mark.parametrize("files", [5, [], {}, {"dev": "a.json"}, {"train": "a", "undivided": "b"}, ["a", 1]])
def test_wrong_names_of_files(files: Any) -> None:
    with pytest.raises(ValidationError):
        CocoOptions(annotations=files)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "annotations.json is missing: set `coco.annotations`"),
        (b"{", "is no valid JSON"),
        (b"\xff\xfe", "is no valid JSON"),
        (b"[" * 100_000, "is no valid JSON"),
        (b"[]", "is no COCO JSON: it has no list 'images'"),
        (b'{"images": [], "annotations": [1]}', "it has no list 'annotations'"),
        (
            b'{"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}',
            "lists no images",
        ),
    ],
)
def test_a_bad_file_is_one_line(content: bytes | None, line: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(UserError) as error:
        Coco(tmp_path).splits()
    assert line in str(error.value) and "\n" not in str(error.value)


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [image(number, f"{number % 3}/{number}.jpg") for number in range(30)]
    annotations = [person(n, n % 30, person_id=n % 7) for n in range(60)]
    seen = []
    for _ in range(2):
        write_coco(tmp_path, images, annotations)
        splits = Coco(tmp_path).splits()
        seen.append(
            {name: ([s.name for s in x.scenes], x.identities, len(x.queries)) for name, x in splits.items()}
        )
        generator.shuffle(images)
    assert seen[0] == seen[1] and list(seen[0]) == ["train", "val", "test"]
