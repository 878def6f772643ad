"""PRW's and PRW-mini's layout: the fixtures' facts, the format's traps one by one, and broken trees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings, split_problems
from pipeline.datasets.prw import Prw, PrwMini
from pipeline.datasets.prw_files import LARGEST_ID, camera_of, read_queries
from pipeline.scenes.boxes import clip_boxes, outside, xywh_to_xyxy
from pipeline.scenes.scene import UNLABELLED
from tests.data_sets.trees import CASES, SIZE, cell, copy_case, rewrite, small_prw, variable

WIDTH, HEIGHT = SIZE


def _frames(**test: Any) -> dict[str, Any]:
    """Return the small tree's frames with some test frames replaced."""
    base = {
        "c1s1_000003": [(7, 10, 10, 20, 40)],
        "c1s1_000004": [(7, 12, 10, 20, 40), (-2, 60, 10, 20, 40)],
        "c3s1_000005": [(7, 14, 10, 20, 40)],
    }
    return {"train": {"c1s1_000001": [(1, 10, 10, 20, 40)]}, "test": {**base, **test}}


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_every_split_of_the_fixtures_is_consistent_and_inside_its_images(case: str) -> None:
    inspection = Prw(CASES / case / "prw").inspect()
    assert inspection.findings.problems == []
    for split in inspection.splits.values():
        assert split_problems(split) == []
        for scene in split.scenes:
            assert (scene.boxes >= 0).all()
    boxes = sum(len(scene.boxes) for split in inspection.splits.values() for scene in split.scenes)
    folder = CASES / case / "prw/annotations"
    keys = ("box_new", "anno_file", "anno_previous")
    raw = [next(v for key in keys if (v := _get(path, key)) is not None) for path in folder.glob("*.mat")]
    assert boxes == sum(len(entries) for entries in raw)


def _get(path: Path, key: str) -> Any:
    try:
        return variable(path, key)
    except KeyError:
        return None


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_the_fixtures_agree_with_their_dump(case: str) -> None:
    test = Prw(CASES / case / "prw").splits()["test"]
    dump = np.load(CASES / case / "prw_dump.npz")
    assert [scene.name for scene in test.scenes] == dump["gallery_names"].tolist()
    assert [test.scenes[query.scene].name for query in test.queries] == dump["query_names"].tolist()
    assert [int(test.identities[query.person_id]) for query in test.queries] == dump["query_pids"].tolist()


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_ids_with_gaps_are_numbered_in_ascending_order(case: str) -> None:
    train = Prw(CASES / case / "prw").splits()["train"]
    assert train.identities == ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "12", "932")
    found = np.concatenate([scene.person_ids for scene in train.scenes])
    assert sorted(set(found.tolist())) == [UNLABELLED, *range(12)]


def test_one_of_everything(tmp_path: Path) -> None:
    splits = Prw(small_prw(tmp_path)).splits()
    train, test = splits["train"], splits["test"]
    assert train.identities == ("1", "3", "932") and test.identities == ("7", "9")
    assert [scene.person_ids.tolist() for scene in train.scenes] == [[2, UNLABELLED], [1, 0]]
    assert [scene.name for scene in test.scenes] == ["c1s1_000003.jpg", "c1s1_000004.jpg", "c3s1_000005.jpg"]
    assert test.cameras.tolist() == [1, 1, 3]
    assert (test.queries[0].scene, test.queries[0].person_id) == (0, 0)
    assert test.queries[0].box.tolist() == [10, 10, 30, 50]
    assert not train.queries and not train.galleries and test.default_gallery == "full"


def test_the_two_galleries(tmp_path: Path) -> None:
    test = Prw(small_prw(tmp_path)).splits()["test"]
    full = test.galleries["full"].of_query(0, 0, test.cameras)
    assert sorted(full.scenes.tolist()) == [1, 2]
    assert full.scenes[full.positives].tolist() == [1, 2]
    assert full.boxes.tolist() == [[12, 10, 32, 50], [14, 10, 34, 50]]
    cross = test.galleries["cross_camera"].of_query(0, 0, test.cameras)
    assert cross.scenes.tolist() == [2] and cross.positives.tolist() == [0]


@pytest.mark.parametrize("case", ["clean", "quirks"])
def test_galleries_hold_every_frame_that_they_should(case: str) -> None:
    test = Prw(CASES / case / "prw").splits()["test"]
    for index, query in enumerate(test.queries):
        for name, kept in (
            ("full", np.ones(60, bool)),
            ("cross_camera", test.cameras != test.cameras[query.scene]),
        ):
            gallery = test.galleries[name].of_query(index, query.scene, test.cameras)
            assert set(gallery.scenes.tolist()) == set(np.flatnonzero(kept).tolist()) - {query.scene}
            assert len(set(gallery.scenes.tolist())) == len(gallery.scenes)
            for position, scene in enumerate(gallery.scenes):
                holds = query.person_id in test.scenes[scene].person_ids
                assert (position in gallery.positives) == holds


def test_a_person_boxed_twice_in_a_frame_counts_by_the_first_box(tmp_path: Path) -> None:
    frames = _frames(c1s1_000004=[(-2, 0, 0, 9, 9), (7, 12, 10, 20, 40), (7, 60, 10, 20, 40)])
    test = Prw(small_prw(tmp_path, frames=frames)).splits()["test"]
    full = test.galleries["full"].of_query(0, 0, test.cameras)
    assert full.scenes[full.positives].tolist() == [1, 2]
    assert full.boxes[0].tolist() == [12, 10, 32, 50]
    assert test.scenes[1].person_ids.tolist() == [UNLABELLED, 0, 0]


@pytest.mark.parametrize("key", ["box_new", "anno_file", "anno_previous"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_the_three_keys_and_any_number_type(tmp_path: Path, key: str, dtype: type) -> None:
    test = Prw(small_prw(tmp_path, key=key, dtype=dtype)).splits()["test"]
    assert test.scenes[1].boxes.tolist() == [[12, 10, 32, 50], [60, 10, 80, 50]]


def test_the_first_key_there_is_wins(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    entries = np.array([[7, 1, 2, 3, 4.5]])
    rewrite(
        root / "annotations/c1s1_000003.jpg.mat",
        anno_previous=entries + 1,
        box_new=entries,
        anno_file=entries + 2,
    )
    assert Prw(root).splits()["test"].scenes[0].boxes.tolist() == [[1, 2, 4, 6.5]]


def test_boxes_are_cut_after_adding_width_and_height(tmp_path: Path) -> None:
    """Cutting first would move the right edge: [0, 0, 20, 40] instead of [0, 0, 15, 30]."""
    frames = _frames(c1s1_000004=[(7, -5, -10, 20, 40), (-2, WIDTH - 10.5, HEIGHT - 20.25, 50, 50)])
    root = small_prw(tmp_path, frames=frames, queries="7 -5 -10 20 40 c1s1_000004\n")
    inspection = Prw(root).inspect()
    test = inspection.splits["test"]
    assert test.scenes[1].boxes.tolist() == [[0, 0, 15, 30], [WIDTH - 10.5, HEIGHT - 20.25, WIDTH, HEIGHT]]
    assert test.queries[0].box.tolist() == [0, 0, 15, 30]
    assert "2 boxes of frame_test.mat reach over their image's edge and were cut" in inspection.findings.notes


def test_without_the_picture_boxes_are_cut_at_zero_only(tmp_path: Path) -> None:
    root = small_prw(tmp_path, frames=_frames(c1s1_000004=[(7, -5, 10, 9999, 40)]))
    (root / "frames/c1s1_000004.jpg").unlink()
    assert Prw(root).splits()["test"].scenes[1].boxes.tolist() == [[0, 10, 9994, 50]]


def test_a_box_entirely_outside_is_an_error_with_image_and_box(tmp_path: Path) -> None:
    root = small_prw(tmp_path, frames=_frames(c1s1_000004=[(7, WIDTH + 1, 10, 20, 40), (-2, -30, 0, 30, 9)]))
    with pytest.raises(UserError, match=r"c1s1_000004\.jpg: box \[121, 10, 141, 50\] lies outside .*1 more"):
        Prw(root).splits()
    assert len(Prw(root).inspect().findings.problems) == 2


def test_boxes_without_size_are_left_out_and_frames_may_be_empty(tmp_path: Path) -> None:
    root = small_prw(tmp_path, frames=_frames(c1s1_000004=[(7, 5, 5, 0, 4)], c3s1_000005=[]))
    savemat(root / "annotations/c3s1_000005.jpg.mat", {"box_new": np.zeros((0, 0))})
    inspection = Prw(root).inspect()
    assert inspection.findings.problems == []
    assert [len(scene.boxes) for scene in inspection.splits["test"].scenes] == [1, 0, 0]
    assert inspection.splits["test"].galleries["full"].positives.tolist() == []


def test_one_frame_and_one_box(tmp_path: Path) -> None:
    frames = {"train": {"c1s1_000001": [(1, 10, 10, 20, 40)]}, "test": {"c1s1_000003": [(7, 10, 10, 20, 40)]}}
    test = Prw(small_prw(tmp_path, frames=frames)).splits()["test"]
    gallery = test.galleries["full"].of_query(0, 0, test.cameras)
    assert gallery.scenes.tolist() == [] and gallery.boxes.shape == (0, 4)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("tail", ["", "END", "END END", "  END"])
def test_any_line_ends_give_the_same_queries(tmp_path: Path, end: str, tail: str) -> None:
    lines = ["7 10.0 10.0 20.0 40.0 c1s1_000003", "9 50 10 20 40 c3s1_000005"]
    text = end.join(lines) + tail.replace("END", end).replace(" ", "")
    test = Prw(small_prw(tmp_path, queries=text)).splits()["test"]
    assert [(query.scene, query.person_id) for query in test.queries] == [(0, 0), (2, 1)]
    assert [query.box.tolist() for query in test.queries] == [[10, 10, 30, 50], [50, 10, 70, 50]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.lists(st.floats(-50, 2000), min_size=4, max_size=4)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\r\n\r\n", "  \r\n"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, list[float]]], end: str, tail: str
) -> None:
    path = tmp_path_factory.mktemp("prw") / "query_info.txt"
    lines = [f"{person} {' '.join(map(repr, box))} c1s1_{n:06d}" for n, (person, box) in enumerate(entries)]
    path.write_bytes((end.join(lines) + end + tail).encode())
    findings = Findings()
    read = read_queries(path, findings)
    assert findings.problems == []
    assert [(line.person, line.box.tolist()) for line in read] == entries
    assert [line.frame for line in read] == [f"c1s1_{n:06d}.jpg" for n in range(len(entries))]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (
            "7 10 10 20 40 c1s1_999999\n",
            r"query_info\.txt: line 1: c1s1_999999\.jpg is not among the test frames",
        ),
        (
            "\n7 10 10 20 c1s1_000003\n",
            r"query_info\.txt: line 2: 'id x y w h frame' expected, found '7 10 10 20",
        ),
        ("seven 10 10 20 40 c1s1_000003\n", r"line 1: 'id x y w h frame' expected"),
        ("7 10 nan 20 40 c1s1_000003\n", r"line 1: 'id x y w h frame' expected"),
        (
            "7 10 10 0 40 c1s1_000003\n",
            r"line 1: box \[10, 10, 0, 40\] \(x y w h\) has no area inside c1s1_000003",
        ),
        ("7 500 10 20 40 c1s1_000003\n", r"line 1: box \[500, 10, 20, 40\] .* has no area inside"),
        ("\r\n\r\n", r"query_info\.txt holds no query"),
    ],
)
def test_broken_queries_name_the_line(tmp_path: Path, queries: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Prw(small_prw(tmp_path, queries=queries)).splits()


def test_a_query_whose_person_is_not_annotated_there_is_noted(tmp_path: Path) -> None:
    inspection = Prw(small_prw(tmp_path, queries="12 10 10 20 40 c1s1_000003")).inspect()
    assert inspection.findings.problems == []
    assert (
        "query_info.txt: line 1: person 12 is not annotated in c1s1_000003.jpg" in inspection.findings.notes
    )
    test = inspection.splits["test"]
    assert test.identities == ("7", "9", "12") and test.queries[0].person_id == 2


def test_broken_annotations_are_all_listed(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    folder = root / "annotations"
    (folder / "c1s1_000001.jpg.mat").unlink()
    (folder / "c2s1_000002.jpg.mat").write_bytes(b"nothing of the kind")
    rewrite(folder / "c1s1_000003.jpg.mat", boxes=np.ones((1, 5)))
    rewrite(folder / "c1s1_000004.jpg.mat", box_new=np.ones((2, 4)))
    rewrite(folder / "c3s1_000005.jpg.mat", box_new=np.array([[7, 1, np.nan, 3, 4]]))
    problems = "\n".join(Prw(root).inspect().findings.problems)
    assert "c1s1_000001.jpg.mat is missing" in problems
    assert "c2s1_000002.jpg.mat is damaged or no MATLAB file" in problems
    assert "c1s1_000003.jpg.mat has no variable box_new or anno_file or anno_previous, only boxes" in problems
    assert "c1s1_000004.jpg.mat: K x 5 numbers expected, found 2 x 4" in problems
    assert (
        "c3s1_000005.jpg.mat: an id that is no whole number, or a coordinate that is not finite" in problems
    )
    with pytest.raises(UserError, match=r"c1s1_000001\.jpg\.mat is missing \(and 4 more: "):
        Prw(root).splits()


def test_frame_lists_of_any_shape_and_with_extensions(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    names = ["c1s1_000003.jpg", "c1s1_000004 ", "c3s1_000005"]
    rewrite(root / "frame_test.mat", img_index_test=cell([np.array([name]) for name in names]).T)
    assert [scene.name for scene in Prw(root).splits()["test"].scenes] == [
        "c1s1_000003.jpg",
        "c1s1_000004.jpg",
        "c3s1_000005.jpg",
    ]


def test_id_lists_are_compared_but_do_not_decide(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    rewrite(root / "ID_train.mat", ID_train=np.array([[1, 3, 479]], dtype=np.uint16))
    (root / "ID_test.mat").unlink()
    inspection = Prw(root).inspect()
    assert inspection.splits["train"].identities == ("1", "3", "932")
    assert inspection.findings.notes == [
        "1 train ids found that ID_train.mat does not list: 932",
        "1 ids of ID_train.mat without a box: 479",
        "ID_test.mat is missing; identities are those found in the annotations",
    ]


def test_a_name_without_camera(tmp_path: Path) -> None:
    root = small_prw(tmp_path, frames=_frames(frame_7=[(7, 1, 1, 9, 9)]))
    with pytest.raises(UserError, match=r"frame_7\.jpg: no camera in the name"):
        Prw(root).splits()


def test_prw_mini_is_prw_with_its_own_queries(tmp_path: Path) -> None:
    root = copy_case("quirks", "prw", tmp_path)
    with pytest.raises(UserError, match=r"prwmini_query_info\.txt is missing: put the list"):
        PrwMini(root).splits()
    lines = (root / "query_info.txt").read_text().splitlines()
    (root / "prwmini_query_info.txt").write_text("\n".join(lines[::3]))
    whole, mini = Prw(root).splits()["test"], PrwMini(root).splits()["test"]
    assert len(mini.queries) == 4
    assert [query.person_id for query in mini.queries] == [query.person_id for query in whole.queries[::3]]
    assert [scene.name for scene in mini.scenes] == [scene.name for scene in whole.scenes]
    assert PrwMini.name == "prw_mini"


def test_foreign_and_incomplete_roots(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it looks like CUHK-SYSU: use the data set name 'cuhk_sysu'"):
        Prw(CASES / "clean" / "cuhk").splits()
    root = copy_case("clean", "prw", tmp_path)
    (root / "query_info.txt").unlink()
    with pytest.raises(UserError, match=r"is no complete PRW: query_info\.txt is missing$"):
        Prw(root).splits()


BOXES = st.lists(st.lists(st.floats(-500, 500), min_size=4, max_size=4), min_size=1, max_size=6)


@given(BOXES, st.integers(1, 300), st.integers(1, 300))
def test_cut_boxes_are_inside_and_only_those_outside_lose_all_area(
    entries: list[list[float]], width: int, height: int
) -> None:
    boxes = np.array(entries)
    boxes[:, 2:] = np.abs(boxes[:, 2:]) + 1
    corners = xywh_to_xyxy(boxes)
    cut = clip_boxes(corners, (width, height))
    assert (cut >= 0).all() and (cut[:, 0::2] <= width).all() and (cut[:, 1::2] <= height).all()
    gone = (cut[:, 2:] <= cut[:, :2]).any(axis=1)
    np.testing.assert_array_equal(gone, outside(corners, (width, height)))
    np.testing.assert_array_equal(clip_boxes(cut, (width, height)), cut)


def test_cameras_of_more_than_one_digit(tmp_path: Path) -> None:
    entries: Any = [(7, 10, 10, 20, 40)]
    names = ["c1s1_000003", "c12s1_000004", "c01s1_000005", "day1/c2s3_000006"]
    frames = {"train": {"c10s2_000001": [(1, 10, 10, 20, 40)]}, "test": dict.fromkeys(names, entries)}
    splits = Prw(small_prw(tmp_path, frames=frames)).splits()
    test = splits["test"]
    assert splits["train"].cameras.tolist() == [10] and test.cameras.tolist() == [1, 12, 1, 2]
    cross = test.galleries["cross_camera"].of_query(0, 0, test.cameras)
    assert [test.scenes[scene].name for scene in cross.scenes[cross.positives]] == [
        "c12s1_000004.jpg",
        "day1/c2s3_000006.jpg",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "abc1s1_000001.jpg",
        "C1S1_000001.jpg",
        "c1_000001.jpg",
        "cs1_000001.jpg",
        "0001_c1s1_000151.jpg",
        "c1s1_1/frame.jpg",
        f"c{10**19}s1_000001.jpg",
        "c\u0663s1_000001.jpg",
    ],
)
def test_names_that_say_no_camera(name: str) -> None:
    assert camera_of(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../frames/c1s1_000003", "leads out of the folder of pictures"),
        ("/frames/c1s1_000003", "leads out of the folder of pictures"),
        ("day1\\c1s1_000003", "has a backslash in it: separate folders by '/'"),
        ("./c1s1_000003", r"is no plain name: write 'c1s1_000003\.jpg'"),
        ("c1s1_\n000003", "has a control character"),
    ],
)
def test_names_that_are_no_file_below_the_pictures(tmp_path: Path, name: str, problem: str) -> None:
    root = small_prw(tmp_path)
    rewrite(root / "frame_test.mat", img_index_test=cell(["c1s1_000003", name]))
    with pytest.raises(UserError, match=rf"^frame_test\.mat: '.*' {problem}"):
        Prw(root).splits()


def test_a_name_keeps_the_suffix_that_it_has(tmp_path: Path) -> None:
    root = small_prw(tmp_path, queries="7 10 10 20 40 c1s1_000003.JPG")
    for path in (root / "frames/c1s1_000003.jpg", root / "annotations/c1s1_000003.jpg.mat"):
        path.rename(path.with_name(path.name.replace(".jpg", ".JPG")))
    rewrite(root / "frame_test.mat", img_index_test=cell(["c1s1_000003.JPG", "c1s1_000004"]))
    test = Prw(root).splits()["test"]
    assert [scene.name for scene in test.scenes] == ["c1s1_000003.JPG", "c1s1_000004.jpg"]
    assert len(test.scenes[0].boxes) == 1 and len(test.queries) == 1


THIN = [(7, WIDTH - 1e-8, 10, 20, 40), (7, -19.95, 10, 20, 40), (7, 5, 5, 1e-3, 40), (7, 5, -40, 20, 40.05)]


@pytest.mark.parametrize("entry", THIN)
def test_boxes_too_thin_inside_their_image_are_left_out(
    tmp_path: Path, entry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = small_prw(tmp_path, frames=_frames(c1s1_000004=[entry, (-2, 60, 10, 20, 40)]))
    note = "1 boxes of frame_test.mat thinner than 0.1 pixels inside their image left out"
    assert note in Prw(root).inspect().findings.notes
    test = Prw(root).splits()["test"]
    assert f"warning: {note}" in caplog.messages
    assert test.scenes[1].boxes.tolist() == [[60, 10, 80, 50]]
    assert 1 not in test.galleries["full"].of_query(0, 0, test.cameras).positives


@pytest.mark.parametrize("entry", THIN)
def test_a_query_too_thin_inside_its_image_is_refused(tmp_path: Path, entry: Any) -> None:
    root = small_prw(tmp_path, queries=" ".join(map(repr, entry)) + " c1s1_000003")
    with pytest.raises(UserError, match=r"line 1: box .* thinner than 0\.1 pixels inside c1s1_000003\.jpg"):
        Prw(root).splits()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_small_integers_do_not_wrap(tmp_path: Path, dtype: type) -> None:
    root = small_prw(tmp_path)
    entries: Any = np.array([[7, 10, 10, 250, 250]], dtype=dtype)
    rewrite(root / "annotations/c1s1_000004.jpg.mat", box_new=entries)
    assert Prw(root).splits()["test"].scenes[1].boxes.tolist() == [[10, 10, WIDTH, HEIGHT]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x", [1e30, -1e30, 1e308])
def test_huge_coordinates_are_outside(tmp_path: Path, x: float) -> None:
    root = small_prw(tmp_path, frames=_frames(c1s1_000004=[(-2, x, 10, abs(x), 40)]))
    with pytest.raises(UserError, match=r"c1s1_000004\.jpg: box .* lies outside its image"):
        Prw(root).splits()


@pytest.mark.parametrize("person", [LARGEST_ID + 1, 1e30, -1e30])
def test_ids_that_numbers_do_not_tell_apart(tmp_path: Path, person: float) -> None:
    root = small_prw(tmp_path)
    rewrite(root / "annotations/c1s1_000004.jpg.mat", box_new=np.array([[person, 10, 10, 20, 40]]))
    with pytest.raises(UserError, match=r"c1s1_000004\.jpg\.mat: an id beyond 9007199254740991"):
        Prw(root).splits()
    rewrite(root / "ID_train.mat", ID_train=np.array([[1, 3, 932, np.nan, np.inf, 2.5, person]]))
    assert "4 numbers in ID_train.mat are no ids" in Prw(root).inspect().findings.notes


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("9007199254740993 10 10 20 40 c1s1_000003", r"\(ids are at most 9007199254740991\)"),
        ("-2 10 10 20 40 c1s1_000003", r"\(an id is a whole number from 0\)"),
        ("7.5 10 10 20 40 c1s1_000003", r"\(an id is a whole number from 0\)"),
        ("7 1e400 10 20 40 c1s1_000003", r"\(a coordinate is too large\)"),
        ("7 1_0 10 20 40 c1s1_000003", "$"),
        ("7,10,10,20,40,c1s1_000003", "$"),
    ],
)
def test_a_broken_query_says_why(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(UserError, match=f"line 1: 'id x y w h frame' expected, found '.*'( |){why}"):
        Prw(small_prw(tmp_path, queries=line)).splits()


def test_tabs_a_byte_order_mark_and_names_with_spaces(tmp_path: Path) -> None:
    frames = _frames(**{"c1s1_a \u5e27": [(7, 10, 10, 20, 40)]})
    root = small_prw(tmp_path, frames=frames, queries="\ufeff7\t10\t10 20 40\tc1s1_a \u5e27\r\n")
    test = Prw(root).splits()["test"]
    assert test.scenes[test.queries[0].scene].name == "c1s1_a \u5e27.jpg"


@pytest.mark.parametrize("encoding", ["utf-16", "gbk"])
def test_queries_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    root = small_prw(tmp_path)
    (root / "query_info.txt").write_bytes("7 10 10 20 40 \u4e2d".encode(encoding))
    with pytest.raises(UserError, match=r"query_info\.txt cannot be read as text: save it as UTF-8"):
        Prw(root).splits()


@pytest.mark.parametrize("file", ["frame_test.mat", "query_info.txt", "annotations/c1s1_000003.jpg.mat"])
def test_a_folder_in_a_files_place(tmp_path: Path, file: str) -> None:
    path = small_prw(tmp_path) / file
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=rf"{path.name} cannot be read: Is a directory$"):
        Prw(tmp_path).splits()


@pytest.mark.parametrize(
    ("file", "content"),
    [("frame_test.mat", {"img_index_test": {"a": 1.0}}), ("ID_train.mat", {"ID_train": "text"})],
)
def test_lists_of_another_kind_name_the_file(tmp_path: Path, file: str, content: Any) -> None:
    root = small_prw(tmp_path)
    rewrite(root / file, **content)
    with pytest.raises(UserError, match=rf"{file}: .* expected, found"):
        Prw(root).splits()
