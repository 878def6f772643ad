"""`check-data` shows the counts, lists everything that is missing, and never shows a traceback."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel, ConfigDict

from commands.errors import CommandGroup
from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.datasets import processes, protocol_files
from pipeline.datasets.checks import scene_problems, search_problems, shared_between, split_problems
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.inspection import split_counts
from pipeline.datasets.releases import release_of
from pipeline.datasets.sources import open_data_set
from pipeline.scenes.boxes import MIN_SIDE
from pipeline.scenes.scene import Galleries, Query, Scene, Split
from tests.data_sets.trees import CASES, copy_case, jpeg, rewrite, small_cuhk, small_prw
from tests.data_sets.trees import test_query as query


def _check(dataset: str, root: Path, *options: str) -> Result:
    result = CliRunner().invoke(main, ["check-data", "--dataset", dataset, "--root", str(root), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) <= 1 or "Usage" in result.stderr
    return result


@pytest.mark.parametrize("case", ["clean", "quirks"])
@pytest.mark.parametrize(("dataset", "layout"), [("cuhk_sysu", "cuhk"), ("prw", "prw")])
@pytest.mark.parametrize("options", [(), ("--images",)])
def test_good_trees_pass(case: str, dataset: str, layout: str, options: tuple[str, ...]) -> None:
    result = _check(dataset, CASES / case / layout, *options)
    assert result.exit_code == 0 and result.stderr == ""
    assert "a subset" in result.stdout and "Everything needed is there" in result.stdout
    decoded = "84 pictures decoded" if options else "pictures not decoded"
    assert result.stdout.splitlines()[-1] == f"Everything needed is there ({decoded})."


def _line(result: Result, first: str) -> list[str]:
    line = next(line for line in result.stdout.splitlines() if line.startswith(first))
    return line.removeprefix(first).split()


def test_the_counts() -> None:
    result = _check("cuhk_sysu", CASES / "quirks" / "cuhk")
    assert _line(result, "split") == [
        "scenes",
        "boxes",
        "labelled",
        "unlabelled",
        "identities",
        "cameras",
        "queries",
    ]
    assert _line(result, "train") == ["24", "75", "32", "43", "12", "-", "-"]
    assert _line(result, "test ") == ["60", "172", "41", "131", "10", "-", "10"]
    assert _line(result, "test 100 (default)") == ["59", "to", "60", "2", "to", "4", "0"]
    assert "12 boxes without width or height in Images.mat left out" in result.stdout
    result = _check("prw", CASES / "quirks" / "prw")
    assert _line(result, "train") == ["24", "93", "48", "45", "12", "6", "-"]
    assert _line(result, "test cross_camera") == ["50", "4", "0"]


def test_queries_without_a_match_are_counted(tmp_path: Path) -> None:
    frames = {"train": {"c1s1_000001": [(1, 9, 9, 9, 9)]}, "test": {"c1s1_000003": [(7, 10, 10, 20, 40)]}}
    result = _check("prw", small_prw(tmp_path, frames=frames))
    assert _line(result, "test full (default)") == ["0", "0", "1"]


def test_the_full_release_is_named_by_its_counts() -> None:
    assert release_of({"train scenes": (5704, 5704), "queries": (2057, 2057)}) == "the full release"
    assert release_of({"queries": (30, 2057)}).startswith("a subset")
    assert release_of({"queries": (3000, 2057)}).startswith("another edition")


def test_missing_pictures_are_all_counted_and_the_first_twenty_listed(tmp_path: Path) -> None:
    root = copy_case("clean", "cuhk", tmp_path)
    gone = sorted((root / "Image/SSM").glob("*.jpg"))[:25]
    for path in gone:
        path.unlink()
    result = _check("cuhk_sysu", root)
    assert result.exit_code == 1
    assert result.stdout.count(".jpg is missing") == 20
    assert "25 problems:" in result.stdout and "... and 5 more" in result.stdout
    assert result.stderr.strip().endswith("cannot be used as it is: 25 problems")


def test_a_missing_folder_of_pictures_is_one_problem(tmp_path: Path) -> None:
    root = copy_case("clean", "prw", tmp_path)
    (root / "frames").rename(root / "pictures")
    result = _check("prw", root)
    assert result.exit_code == 1 and "1 problem:" in result.stdout and "frames is missing" in result.stdout


def test_cut_off_pictures_are_found_with_images(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    path = root / "Image/SSM/s4.jpg"
    path.write_bytes(path.read_bytes()[:-30])
    assert _check("cuhk_sysu", root).exit_code == 0
    result = _check("cuhk_sysu", root, "--images")
    assert result.exit_code == 1 and "s4.jpg is no JPEG image, damaged or cut off" in result.stdout


def test_a_file_that_is_no_picture_is_found_at_once(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    (root / "frames/c1s1_000004.jpg").write_bytes(b"")
    result = _check("prw", root)
    assert result.exit_code == 1 and "1 problem:" in result.stdout and "c1s1_000004.jpg is " in result.stdout


def test_boxes_outside_their_picture_are_problems_and_over_its_edge_notes(tmp_path: Path) -> None:
    root = small_cuhk(tmp_path)
    (root / "Image/SSM/s1.jpg").write_bytes(jpeg((45, 100)))
    (root / "Image/SSM/s5.jpg").write_bytes(jpeg((20, 100)))
    result = _check("cuhk_sysu", root)
    assert result.exit_code == 1
    assert "s1.jpg: box [50, 10, 70, 50] lies outside its image of 45 x 100" in result.stdout
    assert "1 boxes reach over their image's edge" in result.stdout


def test_broken_annotations_are_listed_together(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    (root / "annotations/c1s1_000001.jpg.mat").unlink()
    rewrite(root / "annotations/c1s1_000003.jpg.mat", other=np.ones(3))
    (root / "frames/c1s1_000004.jpg").unlink()
    result = _check("prw", root)
    assert result.exit_code == 1 and "3 problems:" in result.stdout


@pytest.mark.parametrize(
    ("dataset", "layout", "message"),
    [
        ("cuhk_sysu", "prw", "use the data set name 'prw'"),
        ("prw", "cuhk", "use the data set name 'cuhk_sysu'"),
    ],
)
def test_the_other_data_set_is_recognised(dataset: str, layout: str, message: str) -> None:
    result = _check(dataset, CASES / "clean" / layout)
    assert result.exit_code == 1 and result.stdout == "" and message in result.stderr
    assert result.stderr.startswith("Error: ")


def test_the_other_public_release(tmp_path: Path) -> None:
    root = copy_case("clean", "cuhk", tmp_path)
    (root / "annotation/Images.mat").unlink()
    result = _check("cuhk_sysu", root)
    assert result.exit_code == 1 and "the other public release of CUHK-SYSU" in result.stderr


def test_no_such_folder_no_root_and_no_such_data_set(tmp_path: Path) -> None:
    result = _check("prw", tmp_path / "nowhere")
    assert result.exit_code == 1 and "does not exist" in result.stderr
    result = CliRunner().invoke(main, ["check-data", "--dataset", "prw"])
    assert result.exit_code == 1 and "needs a root" in result.stderr
    assert _check("kitti", tmp_path).exit_code == 2
    with pytest.raises(UserError, match="there is no data set 'kitti'"):
        open_data_set("kitti", tmp_path)


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    threshold: float


@pytest.mark.parametrize("kind", ["user", "validation"])
def test_errors_of_any_command_are_one_line_and_exit_code_2(kind: str) -> None:
    @click.group(cls=CommandGroup)
    def group() -> None:
        """Do nothing."""

    @group.command()
    def fail() -> None:
        if kind == "user":
            raise UserError("two\nlines")
        _Options.model_validate({"threshold": "high", "other": 1})

    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == 2 and result.stdout == ""
    expected = (
        "Error: two lines"
        if kind == "user"
        else "Error: threshold: Input should be a valid number (and 1 more)"
    )
    assert result.stderr.strip() == expected


def test_a_fault_of_the_program_is_not_hidden() -> None:
    @click.group(cls=CommandGroup)
    def group() -> None:
        """Do nothing."""

    @group.command()
    def fail() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(group, ["fail"]).exception, ZeroDivisionError)


def test_scene_problems_name_image_and_box() -> None:
    boxes = np.array([[0, 0, 5, 5], [3, 3, 3, 9], [0, 0, np.inf, 5], [200, 0, 210, 5]])
    scene = Scene("a.jpg", boxes, np.array([0, -1, -1, 2]))
    assert scene_problems(scene, 1, (100, 100)) == [
        "a.jpg: box [0, 0, inf, 5] is not finite",
        "a.jpg: box [3, 3, 3, 9] has no area",
        "a.jpg: box [200, 0, 210, 5] has an id out of range",
        "a.jpg: box [200, 0, 210, 5] lies outside its image of 100 x 100",
    ]
    assert len(scene_problems(Scene("a.jpg", boxes, np.array([0])), 1)) == 1


def test_split_problems_find_what_does_not_fit_together() -> None:
    box = np.array([0.0, 0, 5, 5])
    scene = Scene("a.jpg", box[None], np.array([0]))
    galleries = Galleries(
        "none",
        np.array([0, 1]),
        np.array([5], dtype=np.int32),
        np.array([0, 1]),
        np.array([1]),
        np.array([[1.0, 1, 1, 2]]),
    )
    split = Split("test", (scene, scene), ("p",), (Query(3, box, 4),), {"50": galleries}, "100")
    problems = "\n".join(split_problems(split))
    for what in (
        "a.jpg is listed twice",
        "query 1 has no scene 3",
        "query 1 has an id out of range",
        "lists a scene that does not exist",
        "a positive outside its query's list",
        "positive box [1, 1, 1, 2] has no area",
        "no gallery '100'",
    ):
        assert what in problems
    good = Split("train", (scene,), ("p",))
    assert split_problems(good) == []
    assert split_counts(good)["labelled"] == "1"


@pytest.mark.parametrize("case", ["clean", "quirks"])
@pytest.mark.parametrize(("dataset", "layout"), [("cuhk_sysu", "cuhk"), ("prw", "prw")])
def test_good_trees_share_nothing(case: str, dataset: str, layout: str) -> None:
    assert "in both" not in _check(dataset, CASES / case / layout).stdout


def test_pictures_and_people_of_both_splits_are_noted(tmp_path: Path) -> None:
    box = (10, 10, 20, 40)
    train = {f"c1s1_{number:06d}": [(number, *box)] for number in range(1, 9)}
    test = {**train, "c1s1_000099": [(99, *box)]}
    del test["c1s1_000001"], test["c1s1_000008"]
    root = small_prw(
        tmp_path / "prw", frames={"train": train, "test": test}, queries="99 10 10 20 40 c1s1_000099"
    )
    lines = _check("prw", root).stdout.splitlines()
    names = ", ".join(f"c1s1_{number:06d}.jpg" for number in range(2, 7))
    end = "in both train and test, so scores come out too good"
    assert f"  - 6 pictures are {end}: {names}, ..." in lines
    assert f"  - 6 people are {end}: ids 2, 3, 4, 5, 6, ..." in lines
    root = small_cuhk(tmp_path / "cuhk", train=[("q1", [("s1.jpg", (10, 10, 20, 40))])])
    result = _check("cuhk_sysu", root)
    assert result.exit_code == 0 and f"  - 1 person is {end}: ids q1" in result.stdout.splitlines()


def test_a_subset_of_the_test_split_shares_nothing_that_it_should_not() -> None:
    scenes = (Scene("a.jpg", np.array([[0.0, 0, 5, 5]]), np.array([0])),)
    test, subset = Split("test", scenes, ("p",)), Split("occlusion", scenes, ("p",))
    assert shared_between({"test": test, "occlusion": subset}) == []
    train = Split("train", tuple(replace(scene) for scene in scenes), ("p",))
    assert len(shared_between({"train": train, "test": test, "occlusion": subset})) == 2


def test_somebody_boxed_twice_in_a_scene_is_noted(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    entries = np.array([[7, 12, 10, 20, 40], [7, 60, 10, 20, 40], [-2, 1, 1, 9, 9], [-2, 1, 1, 9, 9]])
    rewrite(root / "annotations/c1s1_000004.jpg.mat", box_new=entries)
    note = "1 boxes of split 'test' show a person whom another box of the scene shows already"
    assert note in _check("prw", root).stdout


def test_a_box_is_as_thin_inside_its_image_as_it_is_learned_from() -> None:
    boxes = np.array(
        [[5, 5, 5 + MIN_SIDE / 2, 50], [100 - 1e-9, 5, 120, 50], [5, -40, 50, 1e-3], [5, 5, 6, 6]]
    )
    scene = Scene("a.jpg", boxes, np.full(4, -1))
    assert [problem.partition("] ")[2] for problem in scene_problems(scene, 0, (100, 100))] == [
        "is thinner than 0.1 pixels inside its image of 100 x 100",
        "is thinner than 0.1 pixels inside its image of 100 x 100",
        "is thinner than 0.1 pixels inside its image of 100 x 100",
    ]


@pytest.mark.parametrize("right", [1.0, 1500.0, 65535.0])
@pytest.mark.parametrize("ratio", [1500 / 65535, 1 / 3, 1.0, 2.34])
def test_the_thinnest_box_has_a_side_in_float32_whatever_its_image_is_resized_to(
    right: float, ratio: float
) -> None:
    corners = np.array([right - MIN_SIDE, right]).astype(np.float32) * np.float32(ratio)
    assert corners.dtype == np.float32 and corners[0] < corners[1]


@pytest.mark.parametrize("x", [119.99999, 200])
def test_a_query_or_a_positive_outside_its_picture_is_a_problem(tmp_path: Path, x: float) -> None:
    inside, out = (20, 20, 30, 60), (x, 20, 30, 60)
    protocols = {
        "TestG50": [
            query("q1", "s3.jpg", out, [("s5.jpg", None), ("s4.jpg", inside)], np.float64),
            query("q2", "s3.jpg", inside, [("s5.jpg", None), ("s4.jpg", out)], np.float64),
        ]
    }
    result = _check("cuhk_sysu", small_cuhk(tmp_path, protocols=protocols))
    what = f"box [{x:g}, 20, {x + 30:g}, 80] lies outside"
    assert result.exit_code == 1 and "3 problems:" in result.stdout
    assert f"test: query 1: {what} s3.jpg, or with less than 0.1 pixels inside" in result.stdout
    for gallery in ("50", "full"):
        assert f"test, gallery {gallery}: query 2: {what} s4.jpg" in result.stdout


def test_pictures_of_unknown_size_hold_every_box() -> None:
    scene = Scene("a.jpg", np.array([[0.0, 0, 5, 5]]), np.array([0]))
    split = Split("test", (scene,), ("p",), (Query(0, np.array([1e6, 0, 2e6, 5]), 0),))
    assert search_problems(split, np.full((1, 2), np.inf)) == []


@pytest.mark.parametrize("root", ["~/prw", "~"])
def test_a_tilde_that_the_shell_left_is_explained(root: str) -> None:
    assert "'~' is taken as a folder's name here" in _check("prw", Path(root)).stderr


@pytest.mark.parametrize("name", ["x" * 5000, "with space", "with space/"])
def test_odd_roots_are_one_line(tmp_path: Path, name: str) -> None:
    result = _check("prw", Path(f"{tmp_path}/{name}"))
    assert result.exit_code == 1 and result.stdout == ""
    small_prw(tmp_path / "with space")
    assert _check("prw", Path(f"{tmp_path}/with space/")).exit_code == 0


def test_one_picture_under_two_names_is_noted_with_images(tmp_path: Path) -> None:
    root = small_prw(tmp_path)
    for number, path in enumerate(sorted((root / "frames").iterdir())):
        path.write_bytes(jpeg((120, 100 + number)))
    (root / "frames/c1s1_000004.jpg").write_bytes((root / "frames/c2s1_000002.jpg").read_bytes())
    note = "1 pictures of train are in test under another name: c2s1_000002.jpg is c1s1_000004.jpg"
    assert note not in _check("prw", root).stdout
    assert note in _check("prw", root, "--images").stdout
    (root / "frames/c1s1_000004.jpg").unlink()
    assert "under another name" not in _check("prw", root, "--images").stdout


SCORED, EVERY = {"50", "100", "full"}, {"50", "100", "500", "1000", "2000", "4000", "full"}


def _galleries_read(result: Result) -> set[str]:
    lines = [line for line in result.stdout.splitlines() if line.startswith("test ") and " to " in line]
    return {line.split()[1] for line in lines}


def test_check_data_reads_the_galleries_that_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root, parameters = CASES / "quirks" / "cuhk", Path("params.yaml")
    result = _check("cuhk_sysu", root)
    assert _galleries_read(result) == SCORED
    assert "galleries not read: 500, 1000, 2000, 4000 (--all-galleries)" in result.stdout
    result = _check("cuhk_sysu", root, "--all-galleries")
    assert _galleries_read(result) == EVERY and "not read" not in result.stdout
    for name, sizes, read in (
        ("cuhk_sysu", "[500, full]", SCORED | {"500"}),
        ("cuhk_sysu", "null", EVERY),
        ("prw", "null", SCORED),
    ):
        parameters.write_text(f"dataset: {{name: {name}}}\nevaluate: {{gallery_sizes: {sizes}}}\n")
        assert _galleries_read(_check("cuhk_sysu", root)) == read


def test_large_galleries_are_read_side_by_side_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    root = CASES / "quirks" / "cuhk"
    here = CuhkSysu(root).inspect()
    monkeypatch.setattr(protocol_files, "SMALL_BYTES", 0)
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.01)
    data_set, told = CuhkSysu(root), list[tuple[int, int]]()
    data_set.progress = lambda done, total: told.append((done, total))
    beside = data_set.inspect()
    assert beside.findings == here.findings
    for name, galleries in here.splits["test"].galleries.items():
        for array, values in vars(galleries).items():
            np.testing.assert_array_equal(getattr(beside.splits["test"].galleries[name], array), values)
    assert told == sorted(told) and len({total for _done, total in told}) <= 1


def test_of_several_damaged_galleries_the_smallest_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_files, "SMALL_BYTES", 0)
    root = copy_case("clean", "cuhk", tmp_path)
    for size in (100, 4000):
        path = root / f"annotation/test/train_test/TestG{size}.mat"
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"TestG100\.mat is damaged"):
        CuhkSysu(root).splits()
