"""Splits that are drawn by seed: disjoint, covering, the same for any order, and every query has a match."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.datasets.checks import Findings, search_problems, split_problems
from pipeline.datasets.pool import Pool, make_pool, natural
from pipeline.datasets.split_options import SplitOptions
from pipeline.datasets.splitting import split_pool
from pipeline.scenes.scene import UNLABELLED, Scene, Split

HERE = Path()
WAYS = ("auto", "sequences", "time")


def _scene(name: str, people: list[str | None], camera: int = 0) -> Scene:
    boxes = np.array([[10.0 * place, 0, 10.0 * place + 8, 20] for place in range(len(people))]).reshape(-1, 4)
    return Scene(name, boxes, np.empty(0, np.int64), camera)


@st.composite
def pools(draw: st.DrawFn) -> list[tuple[str, list[str | None], str]]:
    """Return name, people and sequence of some scenes."""
    people = st.one_of(st.none(), st.integers(0, 12).map(lambda number: f"p{number}"))
    held = draw(st.lists(st.lists(people, max_size=4), min_size=3, max_size=60))
    sequences = draw(st.lists(st.sampled_from("abcde"), min_size=len(held), max_size=len(held)))
    return [(f"{s}/{index}.jpg", who, s) for index, (who, s) in enumerate(zip(held, sequences, strict=True))]


def _pool(entries: list[tuple[str, list[str | None], str]]) -> Pool:
    scenes = [_scene(name, who, ord(s)) for name, who, s in entries]
    return make_pool(scenes, [who for _, who, _ in entries], [s for _, _, s in entries])


def _split(pool: Pool, **options: object) -> tuple[dict[str, Split], Findings]:
    findings = Findings()
    return split_pool(pool, SplitOptions(**options), HERE, findings), findings


def _shown(splits: dict[str, Split]) -> object:
    return {
        name: (
            [(s.name, s.person_ids.tolist(), s.boxes.tolist()) for s in split.scenes],
            split.identities,
            [(q.scene, q.person_id, q.box.tolist()) for q in split.queries],
            {key: g.listed_scenes.tolist() for key, g in split.galleries.items()},
        )
        for name, split in splits.items()
    }


@given(
    entries=pools(), seed=st.integers(0, 5), by=st.sampled_from(["auto", "sequences", "time"]), data=st.data()
)
@settings(max_examples=60, deadline=None)
def test_properties(entries: list, seed: int, by: str, data: st.DataObject) -> None:
    pool = _pool(entries)
    splits, findings = _split(pool, seed=seed, by=by, gallery_sizes=[5, 10])
    names = [scene.name for split in splits.values() for scene in split.scenes]
    assert sorted(names) == sorted(name for name, _, _ in entries)  # covering, and each scene once
    people = [person for split in splits.values() for person in split.identities]
    assert len(people) == len(set(people))
    shuffled = data.draw(st.permutations(entries))
    assert _shown(_split(_pool(shuffled), seed=seed, by=by, gallery_sizes=[5, 10])[0]) == _shown(splits)
    who = {name: held for name, held, _ in entries}
    for split in splits.values():
        assert not split_problems(split)
        assert not search_problems(split, np.full((len(split.scenes), 2), np.inf))
        for scene in split.scenes:
            for own, person in zip(who[scene.name], scene.person_ids.tolist(), strict=True):
                assert person == UNLABELLED or split.identities[person] == own
                assert person != UNLABELLED or own not in split.identities
        for name, galleries in split.galleries.items():
            assert name == "cross_camera" or (np.diff(galleries.positive_offsets) > 0).all()
            for index, query in enumerate(split.queries):
                gallery = galleries.of_query(index, query.scene, split.cameras)
                assert query.scene not in gallery.scenes
                held = split.scenes[gallery.scenes[gallery.positives[0]]] if len(gallery.positives) else None
                assert held is None or query.person_id in held.person_ids
    assert not findings.problems or by == "sequences" or len(entries) < 20


def test_sequences_without_shared_people_stay_whole() -> None:
    entries = [(f"{s}/{i:02d}", [f"{s}{i % 3}"], s) for s in "abcdefghij" for i in range(10)]
    splits, findings = _split(_pool(entries))
    held = {name: {s.name[0] for s in split.scenes} for name, split in splits.items()}
    assert [len(held[name]) for name in ("train", "val", "test")] == [6, 1, 3]
    assert not any("another split" in note for note in findings.notes)  # nobody lost a label
    assert (
        len({tuple(sorted(_split(_pool(entries), seed=seed)[0]["test"].identities)) for seed in range(4)}) > 1
    )


def test_one_sequence_is_cut_in_time_and_neighbours_stay_together() -> None:
    entries = [(f"a/{i}.jpg", [f"p{i // 10}", "everywhere"], "a") for i in range(100)]
    splits, findings = _split(_pool(entries))
    for split in splits.values():
        numbers = [int(scene.name[2:-4]) for scene in split.scenes]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [len(splits[name].scenes) for name in ("train", "val", "test")] == [60, 10, 30]
    assert any("people of another split" in note for note in findings.notes)


def test_sequences_that_share_a_person_are_not_torn_apart() -> None:
    entries = [
        (f"{s}{i}", [f"{s}{i % 2}", "both" if s in "ab" else None], s) for s in "abcd" for i in range(6)
    ]
    splits, _ = _split(_pool(entries), by="sequences")
    of = {scene.name[0]: name for name, split in splits.items() for scene in split.scenes}
    assert of["a"] == of["b"] and len(set(of.values())) == 3
    splits, findings = _split(_pool(entries[:12]), by="sequences")
    assert "gets none of 12 scenes" in findings.problems[0] and "by: time" in findings.problems[0]


def test_a_given_split_wins(tmp_path: Path) -> None:
    pool = _pool([(f"{s}/{i}.jpg", ["p"], s) for s in "abc" for i in range(3)])
    (tmp_path / "train.txt").write_text("a\nb/0.jpg\r\n\n")
    (tmp_path / "test.txt").write_text("c\n")
    findings, options = Findings(), SplitOptions(train="train.txt", test="test.txt")
    splits = split_pool(pool, options, tmp_path, findings)
    assert [scene.name for scene in splits["train"].scenes] == ["a/0.jpg", "a/1.jpg", "a/2.jpg", "b/0.jpg"]
    assert list(splits) == ["train", "test"] and len(splits["test"].queries) == 2 and not findings.problems
    assert findings.warnings == ["2 scenes are in no list of a split and left out"]
    (tmp_path / "test.txt").write_text("c\nd\na/1.jpg\n")
    findings = Findings()
    split_pool(pool, options, tmp_path, findings)
    assert findings.problems == [
        "test.txt: line 2: there is no scene and no sequence 'd'",
        "test.txt: line 3: a/1.jpg is in train.txt, too",
    ]


def test_cross_camera_is_there_where_it_has_a_match() -> None:
    entries = [(f"{s}/{i}.jpg", ["p", "q"], s) for s in "ab" for i in range(20)]
    splits, _ = _split(_pool(entries), by="time")
    assert list(splits["test"].galleries) == ["full", "cross_camera"]
    pool = _pool(entries)
    unknown = replace(pool, scenes=tuple(replace(scene, camera=-1) for scene in pool.scenes))
    assert list(_split(unknown, by="time")[0]["test"].galleries) == ["full"]


def test_nobody_to_search_for_is_a_warning() -> None:
    splits, findings = _split(_pool([(f"a/{i}.jpg", [None], "a") for i in range(20)]))
    assert not splits["test"].queries and "nobody is in two scenes" in findings.warnings[0]


def test_shares_must_leave_something() -> None:
    with pytest.raises(ValidationError, match="leave something for training"):
        SplitOptions(val_share=0.5, test_share=0.5)
    assert list(_split(_pool([(f"a/{i}", ["p"], "a") for i in range(9)]), val_share=0.0)[0]) == [
        "train",
        "test",
    ]


def test_natural_order() -> None:
    assert sorted(["a10", "a2", "a02", "b", "10", "9"], key=natural) == ["9", "10", "a02", "a2", "a10", "b"]
