"""Joined splits against the protocol of the joined scenes, as it is made from nothing."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.checks import split_problems
from pipeline.datasets.galleries import all_other_scenes
from pipeline.datasets.joining import Part, joined
from pipeline.scenes.scene import UNLABELLED, Galleries, Query, Scene, Split

PEOPLE = 3
SCENES = st.lists(
    st.tuples(st.lists(st.integers(UNLABELLED, PEOPLE - 1), max_size=4), st.integers(0, 2)), max_size=5
)


def drawn(entries: list[tuple[list[int], int]]) -> Split:
    """Return a split in which each labelled box is a query, by the protocol of PRW."""
    scenes, queries = [], []
    for index, (people, camera) in enumerate(entries):
        boxes = np.array([[9.0 * place, index, 9.0 * place + 8, 40] for place in range(len(people))])
        scenes.append(Scene(f"{index}.jpg", boxes.reshape(-1, 4), np.array(people, dtype=np.int64), camera))
        queries += [Query(index, boxes[place], who) for place, who in enumerate(people) if who != UNLABELLED]
    return with_galleries(Split("test", tuple(scenes), tuple("abc"), tuple(queries)))


def with_galleries(split: Split) -> Split:
    galleries = {
        name: all_other_scenes(split.queries, split.scenes, cross_camera=name == "cross_camera")
        for name in ("full", "cross_camera")
    }
    return replace(split, galleries=galleries, default_gallery="full")


def same(one: Galleries, other: Galleries) -> bool:
    return all(
        np.array_equal(getattr(one, item.name), getattr(other, item.name))
        and getattr(getattr(one, item.name), "dtype", None)
        == getattr(getattr(other, item.name), "dtype", None)
        for item in fields(Galleries)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(SCENES, min_size=1, max_size=3))
def test_galleries_are_those_of_the_joined_scenes(parts: list[list[tuple[list[int], int]]]) -> None:
    splits = [drawn(entries) for entries in parts]
    whole = joined("test", [Part(f"{n}/", 3 * n, split) for n, split in enumerate(splits)])
    assert not split_problems(whole)
    assert len(whole.scenes) == sum(len(split.scenes) for split in splits)
    assert whole.identities == tuple(f"{n}/{who}" for n in range(len(parts)) for who in "abc")
    if not whole.queries:
        assert whole.galleries == {} and whole.default_gallery == ""
        return
    wanted = with_galleries(whole)
    assert whole.default_gallery == "full"
    for name, galleries in wanted.galleries.items():
        assert same(whole.galleries[name], galleries), name
    boxes = [query.box for split in splits for query in split.queries]
    for query, box in zip(whole.queries, boxes, strict=True):
        scene = whole.scenes[query.scene]
        assert query.person_id in scene.person_ids and query.box is box


def test_galleries_that_not_all_parts_have_are_left_out() -> None:
    one, other = (drawn([([0], 1), ([0, 1], 2), ([-1], 1)]) for _ in "12")
    galleries = {"full": other.galleries["full"], "10": other.galleries["full"]}
    sized = replace(other, galleries=galleries, default_gallery="10")
    for parts in ((one, sized), (sized, one)):
        whole = joined("test", [Part(f"{n}/", 2 * n, part) for n, part in enumerate(parts)])
        assert list(whole.galleries) == ["full"] and whole.default_gallery == "full"
    # Nobody is searched for in a part without queries: its scenes are searched all the same.
    nobody = replace(other, queries=(), galleries={}, default_gallery="")
    whole = joined("test", [Part("", 0, nobody), Part("2/", 2, one)])
    assert list(whole.galleries) == ["full", "cross_camera"]
    assert same(whole.galleries["full"], with_galleries(whole).galleries["full"])
