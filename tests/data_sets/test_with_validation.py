"""Validation scenes of a data set that brings none: apart from training, test untouched, pictures found."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.main import main
from pipeline.basics.errors import UserError
from pipeline.basics.options import parse_options
from pipeline.datasets.checks import Findings, search_problems, split_problems
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.on_disk import DataSetOnDisk
from pipeline.datasets.packing import prepare
from pipeline.datasets.prw import Prw
from pipeline.datasets.sources import open_source
from pipeline.datasets.split_options import ValidationOptions
from pipeline.datasets.with_validation import WithValidation
from pipeline.scenes.scene import UNLABELLED, Scene, Split
from stages.prepare import DataSetOptions
from tests.data_sets.own_trees import image, person, small_coco, write_coco
from tests.data_sets.trees import small_cuhk, small_prw, write_prw
from tests.tiny import silent

ALL_TRAINING = {"val_share": 0.0, "test_share": 0.0}
Entry = tuple[str, list[str | None], int]
"""Name, people and camera of a scene."""


class Drawn(DataSetOnDisk):
    """A data set without files; its test split is empty."""

    name, images = "drawn", Path("pictures")

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__(Path())
        people = dict.fromkeys(who for _, held, _ in entries for who in held if who)
        numbers = {who: number for number, who in enumerate(people)}
        scenes = tuple(
            Scene(
                name,
                np.array([[10.0 * place, 0, 10.0 * place + 8, 20] for place in range(len(held))]).reshape(
                    -1, 4
                ),
                np.array([numbers.get(who, UNLABELLED) for who in held], dtype=np.int64),
                camera,
                np.array([[0.0, 0.0, 5.0, 5.0]] * (camera % 2)).reshape(-1, 4),
            )
            for name, held, camera in entries
        )
        self.held = {"train": Split("train", scenes, tuple(people)), "test": Split("test", (), ())}

    def _read(self, findings: Findings) -> Mapping[str, Split]:  # noqa: ARG002
        return self.held

    def _release(self, splits: Mapping[str, Split]) -> str:  # noqa: ARG002
        return "drawn"


def _divided(entries: list[Entry], **options: Any) -> Mapping[str, Split]:
    return WithValidation(Drawn(entries), ValidationOptions(**options)).splits()


def _shown(split: Split) -> object:
    scenes = {
        scene.name: [split.identities[person] if person >= 0 else None for person in scene.person_ids]
        for scene in split.scenes
    }
    return scenes, [
        (split.scenes[query.scene].name, split.identities[query.person_id]) for query in split.queries
    ]


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    who = st.one_of(st.none(), st.integers(0, 9).map(lambda number: f"p{number}"))
    held = draw(st.lists(st.lists(who, max_size=4, unique=True), min_size=12, max_size=50))
    cameras = draw(st.lists(st.integers(0, 3), min_size=len(held), max_size=len(held)))
    return [
        (f"{index}.jpg", one, camera) for index, (one, camera) in enumerate(zip(held, cameras, strict=True))
    ]


@given(entries=entries(), seed=st.integers(0, 3), by=st.sampled_from(["auto", "time"]), data=st.data())
@settings(max_examples=40, deadline=None)
def test_properties(entries: list[Entry], seed: int, by: str, data: st.DataObject) -> None:
    try:
        splits = _divided(entries, seed=seed, by=by)
    except UserError as error:
        assert "`dataset.validation`: " in str(error)
        return
    train, val = splits["train"], splits["val"]
    assert list(splits) == ["train", "val", "test"]
    assert sorted(s.name for s in (*train.scenes, *val.scenes)) == sorted(name for name, _, _ in entries)
    assert not set(train.identities) & set(val.identities) and train.identities and val.queries
    order = [name for name, _, _ in entries]
    assert [s.name for s in train.scenes] == [n for n in order if n in {s.name for s in train.scenes}]
    own = {name: (held, camera) for name, held, camera in entries}
    for split in (train, val):
        assert not split_problems(split)
        assert not search_problems(split, np.full((len(split.scenes), 2), np.inf))
        for scene in split.scenes:
            held, camera = own[scene.name]
            assert scene.camera == camera and len(scene.ignored) == camera % 2
            for who, number in zip(held, scene.person_ids.tolist(), strict=True):
                assert (split.identities[number] == who) if number >= 0 else (who not in split.identities)
    shuffled = data.draw(st.permutations(entries))
    again = _divided(shuffled, seed=seed, by=by)
    assert _shown(again["val"])[0] == _shown(val)[0] and _shown(again["train"])[0] == _shown(train)[0]
    assert sorted(_shown(again["val"])[1]) == sorted(_shown(val)[1])


def test_sequences_stay_whole_the_seed_decides_and_test_is_the_same_object() -> None:
    held: list[Entry] = [
        (f"{camera}-{index}.jpg", [f"p{camera}"], camera) for camera in range(10) for index in range(4)
    ]
    drawn = Drawn(held)
    splits = WithValidation(drawn, ValidationOptions(by="sequences", queries_per_person=3)).splits()
    assert splits["test"] is drawn.held["test"]
    assert [len({s.camera for s in splits[name].scenes}) for name in ("train", "val")] == [8, 2]
    assert len(splits["val"].queries) == 6
    chosen = {_divided(held, by="sequences", seed=seed)["val"].identities for seed in range(5)}
    assert len(chosen) > 1


def test_pictures_are_found_and_counted_once() -> None:
    held: list[Entry] = [(f"{index}.jpg", [f"p{index // 6}"], 0) for index in range(24)]
    data = WithValidation(Drawn(list(reversed(held))), ValidationOptions())
    for name, split in data.splits().items():
        for index, scene in enumerate(split.scenes):
            assert data.image_path(name, index) == Path("pictures") / scene.name
            assert data.picture_file(name, index) == f"pictures/{scene.name}"
    with pytest.raises(UserError, match="has no split 'other'"):
        data.image_path("other", 0)
    inspection = data.inspect()
    assert inspection.release == "drawn; `val` is drawn from its training scenes"
    assert list(inspection.splits) == ["train", "val", "test"]


def _refused(drawn: DataSetOnDisk, **options: Any) -> str:
    data = WithValidation(drawn, ValidationOptions(**options))
    problems = data.inspect().findings.problems
    with pytest.raises(UserError) as error:
        data.splits()
    assert len(problems) == 1 and problems[0] in str(error.value)
    return problems[0]


def test_refusals() -> None:
    nobody: list[Entry] = [(f"{index}.jpg", [None], 0) for index in range(20)]
    assert "nobody is labelled in the training scenes" in _refused(Drawn(nobody))
    assert "nobody is labelled in the training scenes" in _refused(Drawn([]))
    one: list[Entry] = [(f"{index}.jpg", ["p"], 0) for index in range(20)]
    assert "nobody would be labelled in 'train'" in _refused(Drawn(one))
    assert "would get no scene" in _refused(Drawn(one), by="sequences")
    once: list[Entry] = [(f"{index}.jpg", [f"p{index}"], 0) for index in range(20)]
    assert "in two scenes of 'val'" in _refused(Drawn(once))
    has_one, has_no_training = Drawn(once), Drawn(once)
    has_one.held["val"] = replace(has_one.held["test"], name="val")
    assert "has a split 'val' already: leave `dataset.validation` out" in _refused(has_one)
    del has_no_training.held["train"]
    assert "no split 'train'" in _refused(has_no_training)


@pytest.mark.parametrize(("name", "says"), [("market", "has crops only"), ("synthetic", "of its own")])
def test_data_sets_that_it_is_not_for(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_options(DataSetOptions, {"name": name, "root": "here", "validation": {}}, "here")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_out_of_range(share: float) -> None:
    with pytest.raises(UserError, match=r"validation\.share"):
        parse_options(DataSetOptions, {"name": "prw", "root": "x", "validation": {"share": share}}, "here")


def test_without_the_option_the_data_set_is_as_it_is(tmp_path: Path) -> None:
    options = parse_options(DataSetOptions, {"name": "prw", "root": str(tmp_path)}, "here")
    assert type(open_source(options)) is Prw and "validation" not in options.model_dump()


def test_what_data_sets_know_of_sequences(tmp_path: Path) -> None:
    prw, cuhk = Prw(small_prw(tmp_path / "prw")), CuhkSysu(small_cuhk(tmp_path / "cuhk"))
    assert [prw.sequence_of(scene) for scene in prw.splits()["train"].scenes] == ["c1s1", "c2s1"]
    assert [cuhk.sequence_of(scene) for scene in cuhk.splits()["train"].scenes] == ["s1.jpg", "s2.jpg"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Write three data sets: PRW's layout, COCO, and pictures of nobody known."""
    root = tmp_path_factory.mktemp("parts")
    frames = {
        f"c{camera}s1_{number:06d}": [(camera, 10, 10, 20, 40), (-2, 50, 10, 20, 40)]
        for camera in (1, 2, 3)
        for number in (1, 2)
    }
    test = {f"c1s1_{number:06d}": [(7, 10, 10, 20, 40)] for number in (8, 9)}
    write_prw(root / "prw", {"train": frames, "test": test}, "7 10 10 20 40 c1s1_000008\n")
    small_coco(root / "own")
    (root / "found").mkdir()
    write_coco(root / "found", [image(1), image(2)], [person(1, 1), person(2, 2, iscrowd=1)])
    (root / "found/images").rename(root / "found/frames")
    return [
        {"name": "prw", "root": str(root / "prw")},
        {"name": "coco", "root": str(root / "own"), "split": ALL_TRAINING},
        {"name": "pictures", "root": str(root / "found")},
    ]


def _mixed(parts: list[dict[str, Any]]) -> WithValidation:
    values = {"name": "mixed", "parts": parts, "validation": {"share": 0.3, "by": "sequences"}}
    data = open_source(parse_options(DataSetOptions, values, "here"))
    assert isinstance(data, WithValidation)
    return data


@pytest.mark.parametrize("refer", [False, True])
def test_a_mixed_set_is_divided_as_a_whole(parts: list[dict[str, Any]], tmp_path: Path, refer: bool) -> None:
    data = _mixed(parts)
    splits = data.splits()
    undivided = data.data_set.splits()
    assert splits["test"] is undivided["test"] and data.name == "prw"
    names = {name: [scene.name for scene in split.scenes] for name, split in splits.items()}
    assert {"3-pictures/1.jpg", "3-pictures/2.jpg"} < set(names["train"])
    assert len(names["train"]) + len(names["val"]) == 14
    # The people of the COCO part are seen by both its cameras, so its scenes stay together.
    assert sum(name.startswith("2-coco") for name in names["val"]) in {0, 6}
    prepared = prepare(data, tmp_path / "prepared", silent, refer=refer)
    where = {"prw": "frames", "coco": "images", "pictures": "frames"}
    for split in ("train", "val", "test"):
        images = prepared.images(split)
        for index, name in enumerate(names[split]):
            number, _, own = name.rpartition("/")
            part = parts[int(number[0]) - 1 if number else 0]
            path = Path(part["root"]) / where[part["name"]] / own
            assert data.image_path(split, index) == path
            assert images[index].tobytes() == path.read_bytes()
    assert sum(len(scene.ignored) for scene in prepared.split("train").scenes) == 1
    assert prepared.split("val").queries and not prepared.split("val").has_ignored


def test_check_data_shows_it_where_params_yaml_asks_for_it(
    parts: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def shown(text: str, *words: str) -> tuple[int, str]:
        Path("params.yaml").write_text(f"dataset: {text}\n")
        result = CliRunner().invoke(main, ["check-data", *words])
        return result.exit_code, result.output

    prw, own = parts[0]["root"], parts[1]["root"]
    validation = "validation: {share: 0.3, by: sequences}"
    code, text = shown(f"{{name: prw, root: {prw}, {validation}}}", "--images")
    assert code == 0 and "`val` is drawn from its training scenes" in text and "8 pictures decoded" in text
    assert [line.split()[:2] for line in text.splitlines() if line.startswith(("train", "val", "test "))][
        :3
    ] == [
        ["train", "4"],
        ["val", "2"],
        ["test", "2"],
    ]
    code, text = shown(f"{{name: coco, root: {own}, split: {{val_share: 0.4}}, {validation}}}")
    assert code == 1 and "has a split 'val' already" in text
    mixed = f"{{name: mixed, parts: {parts}, {validation}}}"
    code, text = shown(mixed)
    assert code == 0 and "mixed: a mixture of" in text and text.count("drawn from its") == 1


def test_check_data_reads_cuhk_sysus_galleries_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    box = (10, 10, 20, 40)
    people = [(f"p{n}", [(f"s{n}1.jpg", box), (f"s{n}2.jpg", box)]) for n in (5, 6)]
    boxes = {name: [box] for _, seen in people for name, box in seen}
    boxes |= {f"s{index}.jpg": [(20, 20, 30, 60), (25, 20, 30, 60)] for index in (3, 4, 5)}
    small_cuhk(tmp_path / "cuhk", images=boxes, train=people)
    Path("params.yaml").write_text(
        "dataset: {name: cuhk_sysu, root: cuhk, validation: {share: 0.3}}\n"
        "evaluate: {search_threshold: 0.5}\n"
    )
    result = CliRunner().invoke(main, ["check-data"])
    assert result.exit_code == 0, result.output
    assert "test 50" in result.output and "val full (default)" in result.output
