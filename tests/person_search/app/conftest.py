"""Scenes of coloured people, their index, and a desk."""

import pytest

from person_search.app.indexed import PeopleIndex
from person_search.app.session import SearchDesk
from tests.person_search.app.coloured import COLOURS, ColourNetwork, index_of, scene

SCENES = 24


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Scenes with two people each: of each pair of colours some."""
    folder = tmp_path_factory.mktemp("scenes")
    names = list(COLOURS)
    return [
        scene(
            folder / f"scene {number:02d}.png",
            [
                (names[number % 4], 6, 36 + number % 3 * 6),
                (names[(number + 1 + number // 4 % 3) % 4], 60, 44),
            ],
            seed=number,
        )
        for number in range(SCENES)
    ]


@pytest.fixture(scope="session")
def store(scenes, tmp_path_factory):
    """Index the scenes; not to be changed."""
    return index_of(tmp_path_factory.mktemp("index") / "people", scenes)


@pytest.fixture
def network():
    return ColourNetwork()


@pytest.fixture
def desk(store, network):
    return SearchDesk(PeopleIndex(store.path), network)


@pytest.fixture
def red_and_blue(tmp_path):
    """A picture with a red person on the left and a blue one on the right."""
    return scene(tmp_path / "query.png", [("red", 10, 48), ("blue", 64, 40)], seed=99)
