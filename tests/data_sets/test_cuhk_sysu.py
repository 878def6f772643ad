"""CUHK-SYSU's layout: the fixtures' facts, the format's traps one by one, and broken trees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import split_problems
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.scenes.scene import UNLABELLED, Scene, Split
from tests.data_sets.trees import CASES, cell, copy_case, rewrite, small_cuhk, struct_array, variable
from tests.data_sets.trees import test_query as query

TESTS = Path("annotation/test/train_test")


def _splits(root: Path, **options: Any) -> Any:
    return CuhkSysu(root, **options).splits()


def _scene(split: Split, name: str) -> Scene:
    return next(scene for scene in split.scenes if scene.name == name)


def _ids(split: Split, name: str) -> list[int]:
    return [int(person) for person in _scene(split, name).person_ids]


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_every_split_of_the_fixtures_is_consistent(case: str) -> None:
    data_set = CuhkSysu(CASES / case / "cuhk", subsets=True)
    inspection = data_set.inspect()
    assert inspection.findings.problems == []
    assert list(inspection.splits) == ["train", "test", "occlusion", "resolution"]
    for split in inspection.splits.values():
        assert split_problems(split) == []
    train, test = inspection.splits["train"], inspection.splits["test"]
    assert not {scene.name for scene in train.scenes} & {scene.name for scene in test.scenes}
    assert (
        len(train.scenes) + len(test.scenes) == loadmat(data_set.root / "annotation/Images.mat")["Img"].size
    )


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_the_fixtures_agree_with_their_dump(case: str) -> None:
    test = _splits(CASES / case / "cuhk")["test"]
    dump = np.load(CASES / case / "cuhk_dump.npz")
    assert [scene.name for scene in test.scenes] == dump["gallery_names"].tolist()
    assert [test.scenes[query.scene].name for query in test.queries] == dump["query_names"].tolist()
    assert [query.person_id + 1 for query in test.queries] == dump["query_pids"].tolist()
    first = np.concatenate([[0], np.cumsum(dump["query_counts"])[:-1]])
    np.testing.assert_allclose(
        [query.box for query in test.queries], dump["query_dets"][first, :4], atol=1e-3
    )


@pytest.mark.parametrize("case", ["clean", "quirks"])
@pytest.mark.parametrize("size", [50, 100, 4000])
def test_galleries_are_what_the_file_lists_in_its_order(case: str, size: int) -> None:
    root = CASES / case / "cuhk"
    test = _splits(root)["test"]
    raw = loadmat(root / TESTS / f"TestG{size}.mat")[f"TestG{size}"].ravel()
    galleries = test.galleries[str(size)]
    assert len(galleries) == len(raw) == len(test.queries)
    for index, element in enumerate(raw):
        gallery = galleries.of_query(index, test.queries[index].scene, test.cameras)
        entries = element["Gallery"].ravel()
        assert [test.scenes[scene].name for scene in gallery.scenes] == [str(e["imname"][0]) for e in entries]
        held = [position for position, entry in enumerate(entries) if entry["idlocate"].size]
        assert gallery.positives.tolist() == held
        boxes = np.array([entries[position]["idlocate"][0].astype(float) for position in held])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_array_equal(gallery.boxes, boxes)


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_the_full_gallery_is_every_test_image_but_the_querys(case: str) -> None:
    test = _splits(CASES / case / "cuhk")["test"]
    for index, one in enumerate(test.queries):
        full = test.galleries["full"].of_query(index, one.scene, test.cameras)
        small = test.galleries["50"].of_query(index, one.scene, test.cameras)
        assert set(full.scenes.tolist()) == set(range(len(test.scenes))) - {one.scene}
        assert full.scenes[: len(small.scenes)].tolist() == small.scenes.tolist()
        assert full.positives.tolist() == small.positives.tolist()


def test_the_quirks_are_there_and_kept() -> None:
    test = _splits(CASES / "quirks" / "cuhk")["test"]
    twice = [
        index
        for index, one in enumerate(test.queries)
        if len(set(scenes := test.galleries["100"].of_query(index, one.scene, test.cameras).scenes))
        < len(scenes)
    ]
    assert twice == [0, 1]
    gallery = test.galleries["50"].of_query(0, test.queries[0].scene, test.cameras)
    assert gallery.scenes[0] == gallery.scenes[1]
    assert gallery.boxes[:2].tolist() == [[2, 52, 26, 107], [4, 54, 28, 109]]
    assert sum(len(scene.boxes) for scene in test.scenes) == 172


def test_the_default_gallery_is_100_or_else_the_largest(tmp_path: Path) -> None:
    assert _splits(CASES / "clean" / "cuhk")["test"].default_gallery == "100"
    assert _splits(small_cuhk(tmp_path))["test"].default_gallery == "50"


def test_only_the_sizes_asked_for_are_read_and_the_one_that_says_who_is_who() -> None:
    test = _splits(CASES / "clean" / "cuhk", gallery_sizes=(500,))["test"]
    assert list(test.galleries) == ["50", "500", "full"]
    assert test.default_gallery == "500"


def test_a_size_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"TestG100\.mat is missing; the folder has sizes 50$"):
        _splits(small_cuhk(tmp_path), gallery_sizes=(100,))


def test_subsets_share_scenes_and_identities_with_the_test_split() -> None:
    splits = _splits(CASES / "clean" / "cuhk", subsets=True)
    for name in ("occlusion", "resolution"):
        assert splits[name].scenes is splits["test"].scenes
        assert splits[name].identities == splits["test"].identities
        assert [splits[name].identities[q.person_id] for q in splits[name].queries] == [
            "q1",
            "q3",
            "q5",
            "q7",
            "q9",
        ]
        assert splits[name].default_gallery == name
    assert list(_splits(CASES / "clean" / "cuhk")) == ["train", "test"]


def test_one_of_everything(tmp_path: Path) -> None:
    splits = _splits(small_cuhk(tmp_path))
    train, test = splits["train"], splits["test"]
    assert [scene.name for scene in train.scenes] == ["s1.jpg", "s2.jpg"]
    assert train.identities == ("p1",) and test.identities == ("q1",)
    assert _ids(train, "s1.jpg") == [0, UNLABELLED] and _ids(train, "s2.jpg") == [0]
    assert (
        _ids(test, "s3.jpg") == [0]
        and _ids(test, "s4.jpg") == [0, UNLABELLED]
        and _ids(test, "s5.jpg") == [-1]
    )
    assert _scene(train, "s1.jpg").boxes.tolist() == [[10, 10, 30, 50], [50, 10, 70, 50]]
    assert test.queries[0].box.tolist() == [20, 20, 50, 80]


def test_small_integers_do_not_overflow(tmp_path: Path) -> None:
    box = (200, 200, 100, 120)
    root = small_cuhk(
        tmp_path,
        images={"s1.jpg": [box], "s3.jpg": [box], "s4.jpg": [box]},
        pool=["s3.jpg", "s4.jpg"],
        train=[("p1", [("s1.jpg", box)])],
        protocols={"TestG50": [query("q1", "s3.jpg", box, [("s4.jpg", box)])]},
    )
    test = _splits(root)["test"]
    assert test.scenes[0].boxes.tolist() == [[200, 200, 300, 320]]
    assert test.queries[0].box.tolist() == [200, 200, 300, 320]
    assert test.galleries["50"].positive_boxes.tolist() == [[200, 200, 300, 320]]


def test_boxes_without_width_or_height_are_left_out_and_noted(tmp_path: Path) -> None:
    images = {
        "s1.jpg": [(10, 10, 0, 40), (10, 10, 20, 40), (3, 3, 5, 0)],
        "s3.jpg": [(20, 20, 30, 60)],
        "s4.jpg": [(25, 20, 30, 60)],
        "s5.jpg": [(1, 1, 0, 0)],
    }
    gallery = [("s4.jpg", (25, 20, 30, 60)), ("s5.jpg", (1, 1, 0, 0))]
    root = small_cuhk(
        tmp_path,
        images=images,
        train=[("p1", [("s1.jpg", (10, 10, 20, 40))]), ("p2", [("s1.jpg", (3, 3, 5, 0))])],
        protocols={"TestG50": [query("q1", "s3.jpg", (20, 20, 30, 60), gallery)]},
    )
    inspection = CuhkSysu(root).inspect()
    train, test = inspection.splits["train"], inspection.splits["test"]
    assert len(_scene(train, "s1.jpg").boxes) == 1 and len(_scene(test, "s5.jpg").boxes) == 0
    assert train.identities == ("p1",)
    assert test.galleries["50"].positives.tolist() == [0]
    assert inspection.findings.problems == []
    notes = "\n".join(inspection.findings.notes)
    assert "3 boxes without width or height in Images.mat left out" in notes
    assert "1 boxes without width or height in TestG50.mat's galleries left out" in notes
    assert "1 people of Train.mat without any box were left out" in notes


def test_an_empty_box_may_be_0_by_0(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    path = root / TESTS / "TestG50.mat"
    raw = variable(path, "TestG50")
    raw["Gallery"][0, 0][0, 1]["idlocate"] = np.zeros((0, 0))
    rewrite(path, TestG50=raw)
    assert _splits(root)["test"].galleries["50"].positives.tolist() == [0]


def test_the_query_may_stand_behind_absent_people_and_in_its_own_gallery(tmp_path: Path) -> None:
    """Positives are read wherever they stand; a listed own scene stays, as in SeqNet's counting."""
    box = (20, 20, 30, 60)
    gallery = [("s5.jpg", None), ("s3.jpg", None), ("s4.jpg", (25, 20, 30, 60))]
    root = small_cuhk(tmp_path, protocols={"TestG50": [query("q1", "s3.jpg", box, gallery)]})
    inspection = CuhkSysu(root).inspect()
    test = inspection.splits["test"]
    listed = test.galleries["50"].of_query(0, 0, test.cameras)
    assert [test.scenes[scene].name for scene in listed.scenes] == ["s5.jpg", "s3.jpg", "s4.jpg"]
    assert listed.positives.tolist() == [2]
    assert _ids(test, "s4.jpg") == [0, UNLABELLED]
    assert "1 of TestG50.mat's galleries list the query's own scene" in inspection.findings.notes


def test_one_person_boxed_twice_and_an_image_listed_twice(tmp_path: Path) -> None:
    first, second = (25, 20, 30, 60), (27, 20, 30, 60)
    root = small_cuhk(
        tmp_path,
        images={"s1.jpg": [(10, 10, 20, 40)], "s3.jpg": [(20, 20, 30, 60)], "s4.jpg": [first, second]},
        pool=["s3.jpg", "s4.jpg"],
        train=[("p1", [("s1.jpg", (10, 10, 20, 40))])],
        protocols={
            "TestG50": [
                query(
                    "q1",
                    "s3.jpg",
                    (20, 20, 30, 60),
                    [("s4.jpg", first), ("s4.jpg", second), ("s4.jpg", None)],
                )
            ]
        },
    )
    test = _splits(root)["test"]
    assert _ids(test, "s4.jpg") == [0, 0]
    gallery = test.galleries["50"].of_query(0, 0, test.cameras)
    assert gallery.scenes.tolist() == [1, 1, 1] and gallery.positives.tolist() == [0, 1]
    assert gallery.boxes[:, 0].tolist() == [25, 27]


def test_of_two_equal_boxes_the_first_gets_the_person(tmp_path: Path) -> None:
    box = (10, 10, 20, 40)
    root = small_cuhk(
        tmp_path,
        images={
            "s1.jpg": [box, box],
            "s3.jpg": [(20, 20, 30, 60)],
            "s4.jpg": [(25, 20, 30, 60)],
            "s5.jpg": [],
        },
        train=[("p1", [("s1.jpg", box)])],
    )
    assert _ids(_splits(root)["train"], "s1.jpg") == [0, UNLABELLED]


def test_two_queries_of_one_person_are_one_identity(tmp_path: Path) -> None:
    entries = [("s3.jpg", (20, 20, 30, 60)), ("s4.jpg", (25, 20, 30, 60))]
    queries = [query("q9", *entries[0], [entries[1]]), query("q9", *entries[1], [entries[0]])]
    test = _splits(small_cuhk(tmp_path, protocols={"TestG50": queries}))["test"]
    assert test.identities == ("q9",)
    assert [one.person_id for one in test.queries] == [0, 0]


def test_names_may_have_trailing_spaces_and_ids_may_be_wrapped(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path, pool=["s3.jpg ", "s4.jpg  ", "s5.jpg"])
    path = root / TESTS / "TestG50.mat"
    raw = variable(path, "TestG50")
    raw["Query"][0, 0][0, 0]["idname"] = cell([np.array(["q1 "])])
    raw["Gallery"][0, 0][0, 0]["imname"] = cell([np.array(["s4.jpg "])])
    rewrite(path, TestG50=raw)
    test = _splits(root)["test"]
    assert [scene.name for scene in test.scenes] == ["s3.jpg", "s4.jpg", "s5.jpg"]
    assert test.identities == ("q1",)
    assert test.galleries["50"].positives.tolist() == [0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_boxes_match_whatever_type_each_file_has(tmp_path: Path, dtype: type) -> None:
    root = small_cuhk(tmp_path)
    train = struct_array(
        [
            {
                "idname": "p1",
                "nAppear": 1.0,
                "scene": struct_array(
                    [{"imname": "s1.jpg", "idlocate": np.array([[10, 10, 20, 40]], dtype), "ishard": 0.0}]
                ),
            }
        ]
    )
    rewrite(root / TESTS / "Train.mat", Train=cell([train]))
    assert _ids(_splits(root)["train"], "s1.jpg") == [0, UNLABELLED]


def test_pool_as_1_by_n_and_people_as_a_struct_array(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    rewrite(root / "annotation/pool.mat", pool=cell(["s3.jpg", "s4.jpg", "s5.jpg"]).T)
    rewrite(root / TESTS / "Train.mat", Train=variable(root / TESTS / "Train.mat", "Train")[0, 0])
    splits = _splits(root)
    assert len(splits["test"].scenes) == 3 and splits["train"].identities == ("p1",)


def test_train_people_in_unknown_images_are_all_listed(tmp_path: Path) -> None:
    train = [
        ("p1", [("s1.jpg", (10, 10, 20, 40)), ("s98.jpg", (1, 1, 2, 2))]),
        ("p2", [("s99.jpg", (1, 1, 2, 2))]),
    ]
    root = small_cuhk(tmp_path, train=train)
    problems = CuhkSysu(root).inspect().findings.problems
    assert problems == [
        "Train.mat: p1 appears in s98.jpg, not in Images.mat",
        "Train.mat: p2 appears in s99.jpg, not in Images.mat",
    ]
    with pytest.raises(UserError, match=r"^Train\.mat: p1 appears in s98\.jpg.*\(and 1 more: .*check-data"):
        _splits(root)


def test_train_people_in_test_images_and_unmatched_boxes_are_noted(tmp_path: Path) -> None:
    train = [("p1", [("s1.jpg", (10, 10, 20, 40)), ("s3.jpg", (20, 20, 30, 60)), ("s2.jpg", (9, 9, 9, 9))])]
    inspection = CuhkSysu(small_cuhk(tmp_path, train=train)).inspect()
    assert inspection.findings.problems == []
    assert any("1 appearances in Train.mat are in test images" in note for note in inspection.findings.notes)
    assert any(
        "1 boxes of Train.mat that Images.mat does not have" in note for note in inspection.findings.notes
    )
    assert _ids(inspection.splits["test"], "s3.jpg") == [0]


def test_galleries_with_unknown_images_are_problems_named_once(tmp_path: Path) -> None:
    box = (20, 20, 30, 60)
    queries = [query(f"q{i}", "s3.jpg", box, [("s77.jpg", None), ("s1.jpg", None)]) for i in range(3)]
    problems = CuhkSysu(small_cuhk(tmp_path, protocols={"TestG50": queries})).inspect().findings.problems
    assert problems == [
        "TestG50.mat lists s1.jpg, not among the test images (pool.mat)",
        "TestG50.mat lists s77.jpg, not among the test images (pool.mat)",
    ]


@pytest.mark.parametrize(
    ("name", "box", "message"),
    [
        ("s1.jpg", (10, 10, 20, 40), "query 1: its scene 's1.jpg' is not among the test images"),
        ("s3.jpg", (20, 20, 0, 60), "query 1: the query has no box, or one without width or height"),
        ("s3.jpg", (20, 20, 30), "query 1: idlocate should be x y w h, found 20 20 30"),
    ],
)
def test_broken_queries(tmp_path: Path, name: str, box: Any, message: str) -> None:
    root = small_cuhk(tmp_path, protocols={"TestG50": [query("q1", name, box, [("s4.jpg", None)])]})
    with pytest.raises(UserError, match=message):
        _splits(root)


def test_other_sizes_must_have_the_same_queries(tmp_path: Path) -> None:
    entries = [("s3.jpg", (20, 20, 30, 60)), ("s4.jpg", (25, 20, 30, 60))]
    queries = [query("q1", *entries[0], [entries[1]]), query("q2", *entries[1], [entries[0]])]
    root = small_cuhk(tmp_path, protocols={"TestG50": queries, "TestG100": queries[::-1]})
    with pytest.raises(UserError, match=r"TestG100\.mat has other queries, or another order"):
        _splits(root)


def test_missing_fields_name_file_and_element(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    rewrite(root / "annotation/Images.mat", Img=struct_array([{"imname": "s1.jpg", "boxes": 1.0}]))
    with pytest.raises(UserError, match=r"Images\.mat: image 1: no field box, only imname, boxes"):
        _splits(root)


def test_the_release_without_images_mat(tmp_path: Path) -> None:
    root = copy_case("clean", "cuhk", tmp_path)
    (root / "annotation/Images.mat").unlink()
    with pytest.raises(
        UserError, match=r"annotation/Images\.mat is missing; .*the other public release"
    ) as caught:
        _splits(root)
    assert "\n" not in str(caught.value)


def test_no_test_files_at_all(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path, protocols={})
    with pytest.raises(UserError, match=r"has no TestG<N>\.mat"):
        _splits(root)


def test_foreign_and_missing_roots(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it looks like PRW: use the data set name 'prw'"):
        _splits(CASES / "clean" / "prw")
    with pytest.raises(UserError, match=r"did you mean .*clean/cuhk\?"):
        _splits(CASES / "clean")
    with pytest.raises(UserError, match="does not exist"):
        _splits(tmp_path / "nowhere")
    with pytest.raises(UserError, match="it is empty"):
        _splits(tmp_path)
    (tmp_path / "labels_with_ids").mkdir()
    with pytest.raises(UserError, match="multi-object tracking"):
        _splits(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        _splits(tmp_path / "file")


def test_pictures_come_as_they_are_stored_or_not_at_all(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    data_set = CuhkSysu(root)
    path = root / "Image/SSM/s3.jpg"
    assert data_set.image_bytes("test", 0) == path.read_bytes()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"s3\.jpg is no JPEG image, damaged or cut off"):
        data_set.image_bytes("test", 0)
    path.unlink()
    with pytest.raises(UserError, match=r"s3\.jpg is missing"):
        data_set.image_bytes("test", 0)
    with pytest.raises(UserError, match="has no split 'val'; it has train, test"):
        data_set.image_bytes("val", 0)


@pytest.mark.parametrize("name", ["../s1.jpg", "/s1.jpg", "a\\s1.jpg", "./s1.jpg"])
def test_names_that_are_no_file_below_the_pictures(tmp_path: Path, name: str) -> None:
    root = small_cuhk(tmp_path)
    path = root / "annotation/Images.mat"
    images = variable(path, "Img")
    images["imname"][0, 0] = np.array([name])
    rewrite(path, Img=images)
    problems = CuhkSysu(root).inspect().findings.problems
    assert problems[0].startswith(f"Images.mat: image {name!r} ")
    with pytest.raises(UserError, match=r"Images\.mat: image "):
        _splits(root)


def _with_first_box(root: Path, box: Any) -> Path:
    path = root / "annotation/Images.mat"
    images = variable(path, "Img")
    images["box"][0, 0][0, 1]["idlocate"] = np.array([box], dtype=np.float64)
    rewrite(path, Img=images)
    return root


@pytest.mark.parametrize("box", [(119.99999, 10, 20, 40), (-19.95, 10, 20, 40), (50, 10, 1e-3, 40)])
def test_boxes_too_thin_inside_their_image_are_left_out(
    tmp_path: Path, box: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = _with_first_box(small_cuhk(tmp_path), box)
    note = "1 boxes in Images.mat thinner than 0.1 pixels inside their image left out"
    assert note in CuhkSysu(root).inspect().findings.notes
    assert _scene(_splits(root)["train"], "s1.jpg").boxes.tolist() == [[10, 10, 30, 50]]
    assert f"warning: {note}" in caplog.messages


@pytest.mark.filterwarnings("error")
def test_a_corner_that_is_not_finite_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s1\.jpg: box \[1e\+308, 10, inf, 50\] is not finite"):
        _splits(_with_first_box(small_cuhk(tmp_path), (1e308, 10, 1e308, 40)))


def test_a_person_who_stands_twice_among_the_training_people_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train = [("p1", [("s1.jpg", (10, 10, 20, 40))]), ("p1", [("s2.jpg", (12, 10, 20, 40))])]
    split = _splits(small_cuhk(tmp_path, train=train))["train"]
    assert split.identities == ("p1",)
    assert _ids(split, "s1.jpg") == [0, UNLABELLED] and _ids(split, "s2.jpg") == [0]
    assert "1 people are listed in Train.mat again" in caplog.text


def test_people_without_a_name_are_not_one_person(tmp_path: Path) -> None:
    train = [("", [("s1.jpg", (10, 10, 20, 40))]), ("", [("s2.jpg", (12, 10, 20, 40))])]
    assert _splits(small_cuhk(tmp_path, train=train))["train"].identities == ("person 1", "person 2")


def test_a_box_of_two_people_is_noted(tmp_path: Path) -> None:
    train = [(person, [("s1.jpg", (10, 10, 20, 40))]) for person in ("p1", "p2")]
    notes = CuhkSysu(small_cuhk(tmp_path, train=train)).inspect().findings.notes
    assert "1 boxes belong to two people at once; the one named last has them" in notes


@pytest.mark.parametrize(
    ("names", "message"),
    [({}, r"TestG50\.mat: query 1: no field idname"), ({"idname": {"a": 1.0}}, "query 1: a name expected")],
)
def test_a_query_without_a_name_that_can_be_read(tmp_path: Path, names: Any, message: str) -> None:
    root = small_cuhk(tmp_path)
    path = root / TESTS / "TestG50.mat"
    raw = variable(path, "TestG50")
    own = {"imname": "s3.jpg", "idlocate": np.array([[20.0, 20, 30, 60]])}
    raw["Query"][0, 0] = struct_array([own | names])
    rewrite(path, TestG50=raw)
    with pytest.raises(UserError, match=message):
        _splits(root)


@pytest.mark.parametrize("file", ["annotation/pool.mat", f"{TESTS}/TestG50.mat"])
def test_a_folder_in_a_files_place(tmp_path: Path, file: str) -> None:
    path = small_cuhk(tmp_path) / file
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=rf"{path.name} cannot be read: Is a directory$"):
        _splits(tmp_path)
