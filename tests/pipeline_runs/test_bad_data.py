"""A real data set that is missing, another one, or broken: `prepare` refuses it; what it had made stays."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.prw import Prw
from pipeline.scenes.prepared import open_prepared
from tests.data_pipeline.test_shards import plain
from tests.data_sets.trees import cell, rewrite, small_cuhk, small_prw
from tests.data_sets.trees import test_query as query
from tests.pipeline_runs.in_process import contents, refused, run_stage
from tests.pipeline_runs.tiny_parameters import tiny_parameters, write_parameters

FRAME = "c1s1_000004.jpg"
"""A test frame with one labelled and one unlabelled person."""
SCENE = "s4.jpg"
"""Likewise of the CUHK-SYSU tree."""


def use(folder, name, root=None, **options):
    dataset = {"name": name} | ({"root": str(root)} if root else {}) | options
    write_parameters(folder, tiny_parameters() | {"dataset": dataset})


def everything_in(folder):
    """Fingerprint, and annotations and pictures of each split of a prepared data set, as plain values."""
    data = open_prepared(folder)
    found = [data.sha256]
    for name in data.manifest["splits"]:
        split, images = data.split(name), data.images(name)
        found += [plain(split), [images[index].tobytes() for index in range(len(split.scenes))]]
    return found


def cut_off(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def annotate(root, rows):
    rewrite(root / "annotations" / f"{FRAME}.mat", box_new=np.array(rows, dtype=np.float64))


@pytest.fixture
def prw(here):
    """A whole PRW tree that params.yaml names."""
    use(here, "prw", "raw/prw")
    return small_prw(here / "raw/prw")


@pytest.fixture
def cuhk(here):
    """A whole CUHK-SYSU tree that params.yaml names."""
    use(here, "cuhk_sysu", "raw/cuhk")
    return small_cuhk(here / "raw/cuhk")


@pytest.mark.parametrize("tree", ["prw", "cuhk"])
def test_a_whole_tree_is_packed(here, tree, request):
    request.getfixturevalue(tree)
    assert run_stage("prepare").exit_code == 0


@pytest.mark.parametrize("name", ["prw", "prw_mini", "cuhk_sysu"])
def test_no_root(here, name):
    use(here, name)
    assert f"params.yaml: dataset: data set '{name}' needs a root" in refused(here, "prepare")


def test_drawn_pictures_cannot_be_referred_to(here):
    use(here, "synthetic", pictures="reference")
    assert "parameter 'pictures': `synthetic` has no files" in refused(here, "prepare")


def test_pictures_that_are_neither_copied_nor_referred_to(here):
    use(here, "prw", "raw/prw", pictures="link")
    assert "parameter 'pictures': Input should be 'copy' or 'reference'" in refused(here, "prepare")


@pytest.mark.parametrize("name", ["prw", "prw_mini", "cuhk_sysu"])
def test_root_that_is_not_there(here, name):
    use(here, name, "raw/nowhere")
    assert "raw/nowhere" in refused(here, "prepare")


@pytest.mark.parametrize("name", ["prw", "cuhk_sysu"])
def test_root_that_is_a_file(here, name):
    use(here, name, "params.yaml")
    assert "params.yaml" in refused(here, "prepare")


def test_root_of_another_data_set(here):
    small_cuhk(here / "raw/cuhk")
    small_prw(here / "raw/prw")
    use(here, "prw", "raw/cuhk")
    assert "cuhk" in refused(here, "prepare").casefold()
    use(here, "cuhk_sysu", "raw/prw")
    assert "prw" in refused(here, "prepare").casefold()


def test_prw_mini_without_its_queries(here, prw):
    use(here, "prw_mini", prw)
    assert "prwmini_query_info.txt is missing" in refused(here, "prepare")


@pytest.mark.parametrize(("tree", "picture"), [("prw", f"frames/{FRAME}"), ("cuhk", f"Image/SSM/{SCENE}")])
class TestPicture:
    """One picture of a tree is broken: the line names it."""

    @pytest.fixture
    def path(self, tree, picture, request):
        return request.getfixturevalue(tree) / picture

    def test_cut_off(self, here, path):
        cut_off(path)
        line = refused(here, "prepare")
        assert path.name in line
        assert "cut off" in line

    def test_missing(self, here, path):
        path.unlink()
        assert f"{path.name} is missing" in refused(here, "prepare")

    def test_empty(self, here, path):
        path.write_bytes(b"")
        assert path.name in refused(here, "prepare")

    def test_of_another_format(self, here, path):
        with Image.open(path) as image:
            image.save(path, format="PNG")
        assert path.name in refused(here, "prepare")

    def test_smaller_than_its_annotation_says(self, here, path):
        with Image.open(path) as image:
            image.resize((8, 8)).save(path, format="JPEG")
        line = refused(here, "prepare")
        assert path.name in line
        assert "outside" in line

    def test_a_folder_in_its_place(self, here, path):
        path.unlink()
        path.mkdir()
        assert path.name in refused(here, "prepare")


def test_box_outside_its_image(here, prw):
    annotate(prw, [(7, 12, 10, 20, 40), (-2, 500, 10, 20, 40)])
    line = refused(here, "prepare")
    assert FRAME in line
    assert "[500, 10, 520, 50] lies outside its image" in line


def test_coordinate_that_is_no_number(here, prw):
    annotate(prw, [(7, np.nan, 10, 20, 40)])
    assert FRAME in refused(here, "prepare")


def test_annotation_of_another_shape(here, prw):
    annotate(prw, [(7, 12, 10, 20)])
    assert "K x 5 numbers expected, found 1 x 4" in refused(here, "prepare")


@pytest.mark.parametrize("file", [f"annotations/{FRAME}.mat", "frame_test.mat", "query_info.txt"])
def test_prw_file_missing_or_damaged(here, prw, file):
    path = prw / file
    path.write_bytes(b"\xff\xfe no such format" * 20)
    assert path.name in refused(here, "prepare")
    path.unlink()
    assert path.name in refused(here, "prepare")


@pytest.mark.parametrize(
    "file", ["annotation/Images.mat", "annotation/pool.mat", "annotation/test/train_test/Train.mat"]
)
def test_cuhk_file_missing_or_damaged(here, cuhk, file):
    path = cuhk / file
    cut_off(path)
    assert path.name in refused(here, "prepare")
    path.unlink()
    assert path.name in refused(here, "prepare")


@pytest.mark.parametrize(
    ("queries", "named"),
    [
        ("7 10 10 20 40 c9s9_999999\n", "c9s9_999999.jpg is not among the test frames"),
        ("7 10 10 twenty 40 c1s1_000003\n", "line 1"),
        ("7 500 10 20 40 c1s1_000003\n", "has no area inside"),
        ("7 119.99999 10 20 40 c1s1_000003\n", "is thinner than 0.1 pixels inside"),
        ("", "holds no query"),
    ],
)
def test_query_that_cannot_be(here, prw, queries, named):
    (prw / "query_info.txt").write_text(queries)
    assert named in refused(here, "prepare")


def test_annotation_that_names_a_missing_picture(here, cuhk):
    (cuhk / "Image/SSM/s1.jpg").rename(cuhk / "Image/SSM/s11.jpg")
    assert "s1.jpg is missing" in refused(here, "prepare")


def test_all_broken_pictures_are_listed(here, prw):
    broken = sorted((prw / "frames").iterdir())[:3]
    for path in broken:
        cut_off(path)
    result = run_stage("prepare")
    assert result.exit_code == 2
    for path in broken:
        assert (
            f"  {path.relative_to(here)} is no JPEG image, damaged or cut off: copy it again\n"
            in result.stderr
        )
    assert "(and 2 more, all listed above)" in result.stderr


@pytest.mark.parametrize("damage", [cut_off, Path.unlink])
def test_training_goes_without_broken_pictures_where_that_is_asked_for(here, prw, damage):
    use(here, "prw", "raw/prw", on_broken_image="skip")
    names = [scene.name for scene in Prw(prw).splits()["train"].scenes]
    damage(prw / "frames" / names[0])
    result = run_stage("prepare")
    assert result.exit_code == 0, result.stderr
    assert f"train {len(names) - 1} scenes (1 broken ones left out)" in result.stdout


@pytest.mark.parametrize("tree", ["prw", "cuhk"])
def test_pictures_that_are_referred_to_are_those_that_are_copied(here, tree, request):
    root = request.getfixturevalue(tree)
    assert run_stage("prepare").exit_code == 0
    copied = everything_in(here / "data/prepared")
    assert run_stage("crop").exit_code == 0
    crops = contents(here / "data/crops")
    use(here, {"prw": "prw", "cuhk": "cuhk_sysu"}[tree], root.relative_to(here), pictures="reference")
    assert run_stage("prepare").exit_code == 0
    referred = everything_in(here / "data/prepared")
    assert referred[1:] == copied[1:]
    assert referred[0] != copied[0]  # another data set's fingerprint
    assert run_stage("crop").exit_code == 0
    assert contents(here / "data/crops") == crops


def test_later_stages_refuse_a_picture_that_has_changed(here, prw):
    use(here, "prw", "raw/prw", pictures="reference")
    assert run_stage("prepare").exit_code == 0
    path = prw / "frames/c1s1_000001.jpg"
    path.write_bytes(path.read_bytes() + b"\0")
    assert refused(here, "crop").startswith(
        "Error: raw/prw/frames/c1s1_000001.jpg has changed since the data were prepared"
    )


def test_box_too_thin_to_learn_from_is_left_out(here, prw):
    annotate(prw, [(7, 12, 10, 20, 40), (-2, 119.9999999, 10, 20, 40)])
    result = run_stage("prepare")
    assert result.exit_code == 0, result.stderr
    assert (
        "warning: 1 boxes of frame_test.mat thinner than 0.1 pixels inside their image left out\n"
        in result.stderr
    )
    assert open_prepared(here / "data/prepared").manifest["splits"]["test"]["counts"]["unlabelled"] == 0


@pytest.mark.parametrize("x", [119.9999999, 200])
def test_query_and_positive_outside_their_pictures(here, x):
    use(here, "cuhk_sysu", "raw/cuhk")
    box, out = (20, 20, 30, 60), (x, 20, 30, 60)
    queries = [
        query("q1", "s3.jpg", box, [("s4.jpg", out)], np.float64),
        query("q2", "s3.jpg", out, [("s4.jpg", box)], np.float64),
    ]
    small_cuhk(here / "raw/cuhk", protocols={"TestG50": queries})
    assert "test: query 2: box" in refused(here, "prepare")
    assert "(and 2 more, all listed above)" in refused(here, "prepare")


def test_splits_that_share_pictures_and_people_are_warned_of(here, prw):
    annotate(prw, [(3, 12, 10, 20, 40)])
    names = ["c1s1_000001", "c2s1_000002", FRAME]
    rewrite(prw / "frame_train.mat", img_index_train=cell(names))
    result = run_stage("prepare")
    assert result.exit_code == 0, result.stderr
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    end = "in both train and test, so scores come out too good"
    assert warnings == [
        f"warning: 1 picture is {end}: {FRAME}",
        f"warning: 1 person is {end}: ids 3",
    ]


def test_name_that_leads_out_of_the_folder(here, prw):
    rewrite(prw / "frame_train.mat", img_index_train=cell(["../../secret/c1s1_000001"]))
    assert "leads out of the folder of pictures" in refused(here, "prepare")
