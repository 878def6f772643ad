"""Several data sets as one: all training scenes, and the first one's validation and test, or those of all."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.datasets.mixed import Mixed
from pipeline.datasets.packing import prepare
from pipeline.datasets.sources import open_data_set, open_source
from stages.prepare import DataSetOptions
from tests.data_sets.own_trees import image, market, person, write_coco
from tests.data_sets.trees import CASES, small_prw
from tests.tiny import silent

ALL_TRAINING = {"val_share": 0.0, "test_share": 0.0}


def _coco(root: Path) -> Path:
    root.mkdir()
    return write_coco(
        root,
        [image(1, "c1s1_000001.jpg", camera=1), image(2, camera=1), image(3)],
        [person(1, 1, person_id=932), person(2, 2, person_id=5), person(3, 3, iscrowd=1), person(4, 3)],
    )


def _options(tmp_path: Path, **more: object) -> DataSetOptions:
    parts = [
        {"name": "prw", "root": str(small_prw(tmp_path / "prw"))},
        {
            "name": "coco",
            "root": str(_coco(tmp_path / "own")),
            "split": ALL_TRAINING,
        },
    ]
    return parse_options(DataSetOptions, {"name": "mixed", "parts": parts, **more}, "here")


def test_names_people_and_cameras_are_apart(tmp_path: Path) -> None:
    mixed = open_source(_options(tmp_path))
    first, other = (part.splits() for part in mixed.parts)  # type: ignore[attr-defined]
    splits = mixed.splits()
    train = splits["train"]
    assert list(splits) == ["train", "test"] and mixed.name == "prw"
    assert splits["test"] == first["test"]
    assert [scene.name for scene in train.scenes] == [
        "c1s1_000001.jpg",
        "c2s1_000002.jpg",
        "2-coco/2.jpg",
        "2-coco/3.jpg",
        "2-coco/c1s1_000001.jpg",
    ]
    assert train.identities == ("1", "3", "932", "2-coco/5", "2-coco/932")
    assert [scene.camera for scene in train.scenes] == [1, 2, 3, -1, 3]
    own = (*train.identities, None)  # -1, `UNLABELLED`, is the last
    ids = [[own[person] for person in scene.person_ids] for scene in train.scenes]
    assert ids == [["932", None], ["3", "1"], ["2-coco/5"], [None], ["2-coco/932"]]
    assert len(train.scenes[3].ignored) == 1
    for scene, own in zip(train.scenes[2:], other["train"].scenes, strict=True):
        assert np.array_equal(scene.boxes, own.boxes)


@pytest.mark.parametrize("refer", [False, True])
def test_it_is_prepared_from_the_parts_pictures(tmp_path: Path, refer: bool) -> None:
    options = _options(tmp_path)
    data = prepare(open_source(options), tmp_path / "prepared", silent, refer=refer)
    images, train = data.images("train"), data.split("train")
    expected = [tmp_path / "prw/frames" / scene.name for scene in train.scenes[:2]]
    expected += [tmp_path / "own/images" / scene.name.removeprefix("2-coco/") for scene in train.scenes[2:]]
    assert [images[index].tobytes() for index in range(5)] == [path.read_bytes() for path in expected]
    assert len(data.split("test").queries) == 1


def test_unlabelled_pictures_are_a_part(tmp_path: Path) -> None:
    root = _coco(tmp_path / "own")
    (root / "images").rename(root / "frames")
    parts = [
        {"name": "prw", "root": str(small_prw(tmp_path / "prw"))},
        {"name": "pictures", "root": str(root)},
    ]
    mixed = open_source(parse_options(DataSetOptions, {"name": "mixed", "parts": parts}, "here"))
    train = mixed.splits()["train"]
    assert train.identities == ("1", "3", "932") and len(train.scenes) == 5
    assert [scene.name for scene in train.scenes[2:]] == [
        "2-pictures/c1s1_000001.jpg",
        "2-pictures/2.jpg",
        "2-pictures/3.jpg",
    ]
    assert [len(scene.ignored) for scene in train.scenes] == [0, 0, 0, 0, 1]
    assert prepare(mixed, tmp_path / "prepared", silent).split("train").has_ignored


def test_parts_that_do_not_go_together(tmp_path: Path) -> None:
    prw, crops = (open_data_set("prw", small_prw(tmp_path / "prw")), open_data_set("market", tmp_path))
    with pytest.raises(UserError, match="two `parts` or more"):
        Mixed([prw])
    with pytest.raises(UserError, match="crops only"):
        Mixed([prw, crops])
    with pytest.raises(UserError, match="is there twice"):
        Mixed([prw, open_data_set("prw", tmp_path / "prw")])
    (tmp_path / "link").symlink_to(tmp_path / "prw")
    for same in ("link", "prw/../prw"):
        with pytest.raises(
            UserError, match=f"is there twice, at {tmp_path}/prw too, which is the same folder"
        ):
            Mixed([prw, open_data_set("prw", tmp_path / same)])
    values = {"parts": [{"name": "prw", "root": "a"}, {"name": "prw", "root": "b"}]}
    with pytest.raises(UserError, match="each part has its own root, and root 'c' beside `parts` is not"):
        open_source(parse_options(DataSetOptions, {"name": "mixed", "root": "c", **values}, "here"))
    with pytest.raises(UserError, match="'prw' has no parts, only 'mixed' has"):
        open_source(parse_options(DataSetOptions, {"name": "prw", "root": "c", **values}, "here"))
    for root in ("", " "):
        values["parts"][0]["root"] = root
        with pytest.raises(UserError, match="data set 'prw': its root is empty"):
            open_source(parse_options(DataSetOptions, {"name": "mixed", **values}, "here"))
        with pytest.raises(UserError, match="data set 'coco': its root is empty"):
            open_source(parse_options(DataSetOptions, {"name": "coco", "root": root}, "here"))
    with pytest.raises(UserError, match="it must be one of cuhk_sysu"):
        parse_options(DataSetOptions, {"name": "mixed", "parts": [{"name": "mixed"}]}, "here")


def _all(tmp_path: Path, **more: object) -> DataSetOptions:
    """Return PRW, a set of test scenes alone, and own annotations, all of which are searched."""
    frames = {"train": {}, "test": {"c1s1_000003": [(7, 9, 9, 20, 40)], "c5s1_1": [(7, 14, 10, 20, 40)]}}
    alone = small_prw(tmp_path / "alone", frames=frames, queries="7 9.0 9.0 20.0 40.0 c1s1_000003\r\n")
    parts = [
        {"name": "prw", "root": str(small_prw(tmp_path / "prw"))},
        {"name": "prw", "root": str(alone)},
        {"name": "coco", "root": str(_coco(tmp_path / "own")), "split": ALL_TRAINING},
    ]
    values = {"name": "mixed", "searched": "all", "parts": parts, **more}
    return parse_options(DataSetOptions, values, "here")


def test_all_parts_are_searched(tmp_path: Path) -> None:
    splits = open_source(_all(tmp_path)).splits()
    train, test = splits["train"], splits["test"]
    assert list(splits) == ["train", "test"]
    names = ["c1s1_000003.jpg", "c1s1_000004.jpg", "c3s1_000005.jpg"]
    assert [scene.name for scene in test.scenes] == [*names, "2-prw/c1s1_000003.jpg", "2-prw/c5s1_1.jpg"]
    assert [scene.name for scene in train.scenes][2:] == [
        "3-coco/2.jpg",
        "3-coco/3.jpg",
        "3-coco/c1s1_000001.jpg",
    ]
    # The first part has the cameras 1 to 3, the second 1 and 5 of its own.
    assert [scene.camera for scene in test.scenes] == [1, 1, 3, 4, 8]
    assert [scene.camera for scene in train.scenes] == [1, 2, 9, -1, 9]
    assert test.identities == ("7", "9", "2-prw/7")
    assert [(query.scene, query.person_id) for query in test.queries] == [(0, 0), (3, 2)]
    assert test.default_gallery == "full"
    wanted = {
        "full": ([[1, 2, 3, 4], [4, 0, 1, 2]], [[0, 1], [0]]),
        "cross_camera": ([[2, 3, 4], [4, 0, 1, 2]], [[0], [0]]),
    }
    for name, (scenes, positives) in wanted.items():
        found = [
            test.galleries[name].of_query(index, query.scene, test.cameras)
            for index, query in enumerate(test.queries)
        ]
        assert [gallery.scenes.tolist() for gallery in found] == scenes
        assert [gallery.positives.tolist() for gallery in found] == positives


def test_all_parts_are_prepared_and_divided(tmp_path: Path) -> None:
    pictures = tmp_path / "alone/frames"
    data = prepare(open_source(_all(tmp_path)), tmp_path / "prepared", silent)
    assert (data.name, data.names) == ("prw", ("prw", "prw", "coco"))
    assert data.images("test")[3].tobytes() == (pictures / "c1s1_000003.jpg").read_bytes()
    assert len(data.split("test").queries) == 2
    options = _all(tmp_path / "again", validation={"share": 0.5, "by": "time"})
    divided = open_source(options)
    inspection = divided.inspect()
    assert divided.part_names == data.names  # type: ignore[attr-defined]
    assert len(inspection.splits["test"].scenes) == 5 and "all of them searched" in inspection.release


def test_searched_is_for_parts_and_someone_must_train(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only `mixed` has parts"):
        parse_options(DataSetOptions, {"name": "prw", "root": "x", "searched": "all"}, "here")
    with pytest.raises(UserError, match="'searched'"):
        parse_options(DataSetOptions, {"name": "mixed", "searched": "some"}, "here")
    empty = {"train": {}, "test": {"c1s1_000003": [(7, 10, 10, 20, 40)]}}
    parts = [open_data_set("prw", small_prw(tmp_path / name, frames=empty)) for name in "ab"]
    with pytest.raises(UserError, match="no part has scenes of the split 'train'"):
        Mixed(parts, "all").splits()


def test_of_a_part_some_splits_are_taken(tmp_path: Path) -> None:
    """Searches of one data set, and scenes to train on of another: nothing of the first is trained on."""
    everything = _all(tmp_path)
    first, second, third = everything.parts
    parts = (first.model_copy(update={"only": ("test",)}), second, third)
    mixed = open_source(everything.model_copy(update={"parts": parts}))
    splits, whole = mixed.splits(), open_source(everything).splits()
    assert [scene.name for scene in splits["train"].scenes] == [
        scene.name for scene in whole["train"].scenes if scene.name.startswith("3-coco/")
    ]
    assert splits["test"].identities == whole["test"].identities
    assert [scene.name for scene in splits["test"].scenes] == [scene.name for scene in whole["test"].scenes]
    assert mixed.name == "prw"


def test_splits_that_a_part_lacks_cannot_be_taken(tmp_path: Path) -> None:
    prw = str(small_prw(tmp_path / "prw"))
    other = {"name": "coco", "root": str(_coco(tmp_path / "own")), "split": ALL_TRAINING, "only": ["val"]}
    values = {"name": "mixed", "parts": [{"name": "prw", "root": prw, "only": ["train", "test"]}, other]}
    with pytest.raises(UserError, match=r"part 'coco' at .*own has no split 'val', which `only` names; it"):
        open_source(parse_options(DataSetOptions, values, "here")).splits()
    for wrong in ([], ["tests"]):
        with pytest.raises(UserError, match=r"parts\.1\.only"):
            parse_options(
                DataSetOptions, values | {"parts": [values["parts"][0], other | {"only": wrong}]}, ""
            )
    with pytest.raises(UserError, match="unknown parameter 'only'"):
        parse_options(DataSetOptions, {"name": "prw", "root": prw, "only": ["test"]}, "here")


def _check(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check-data", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_check_data_reads_the_settings_of_params_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small_prw(tmp_path / "prw")
    _coco(tmp_path / "own")
    assert _check()[0] == 1 and "give --dataset and --root" in _check()[1]
    assert _check("--dataset", "coco", "--root", "own")[0] == 1  # too few scenes for its shares
    Path("params.yaml").write_text(
        "dataset:\n"
        "  name: mixed\n"
        "  split: {val_share: 0.0, test_share: 0.0}\n"
        "  parts:\n"
        "    - {name: prw, root: prw}\n"
        "    - {name: coco, root: own, split: {val_share: 0.0, test_share: 0.0}}\n"
    )
    code, shown = _check("--dataset", "coco", "--root", "own")
    assert code == 0 and "own annotations (3 pictures)" in shown
    code, shown = _check("--images")
    assert code == 0 and "mixed: a mixture of prw at prw, coco at own" in shown
    assert "8 pictures decoded" in shown
    (tmp_path / "own/images/2.jpg").unlink()
    code, shown = _check()
    assert code == 1 and "own/images/2.jpg is missing" in shown and "own cannot be used as it is" in shown


def test_check_data_shows_what_is_wrong_where_nothing_can_be_read(tmp_path: Path) -> None:
    write_coco(tmp_path, [image(1)], [person(1, 9, person_id=1)])
    code, shown = _check("--dataset", "coco", "--root", str(tmp_path))
    assert code == 1 and "annotation 1: there is no image 9" in shown and "1 problem" in shown
    assert _check("--dataset", "market", "--root", str(market(tmp_path / "market")))[0] == 0


def test_score_needs_a_test_split(tmp_path: Path) -> None:
    root = market(tmp_path / "market", bounding_box_test=[], query=[])
    words = ["score", "--dataset", "market", "--root", str(root)]
    result = CliRunner().invoke(main, [*words, "--detections", str(CASES / "quirks/prw_dump.npz")])
    assert result.exit_code == 2 and "has no test split" in result.stderr
