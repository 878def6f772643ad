"""Pictures are read while the network is loaded, and the index is the same whatever happens meanwhile."""

import time

import numpy as np
import psutil
import pytest
from PIL import Image

from person_search.index.coverage import SourceState
from person_search.index.indexing import IndexOptions, about_of, index_sources
from person_search.index.schema import schema_of
from person_search.index.store import PeopleStore
from person_search.networks.network import FoundPeople
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of

PICTURES = 5
OPTIONS = IndexOptions(batch_size=2, workers=1)


class OnePerson:
    """A network that finds one person in each picture: all of it, embedded by its colour."""

    embedding_dim = 3

    def __init__(self, weights):
        self.model_hash, self.preprocessing = sha256_of(weights), {}

    def detect(self, pictures):
        return [self._found(picture) for picture in pictures]

    def _found(self, picture):
        height, width = picture.shape[:2]
        colour = picture[0, 0].astype(np.float32)[None] + 1
        box = np.array([[0, 0, width, height]], np.float32)
        return FoundPeople(box, np.ones(1, np.float32), colour / np.linalg.norm(colour))


def loaders():
    return {
        child.pid for child in psutil.Process().children() if "loading_process" in " ".join(child.cmdline())
    }


@pytest.fixture
def given(tmp_path):
    """A folder of pictures, a weight file, and where the index is to be."""
    (tmp_path / "in").mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (8, 6), (50 * number, 9, 200)).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "weights").write_bytes(b"some")
    return tmp_path / "in", tmp_path / "weights", tmp_path / "people"


def indexed(given, load, options=OPTIONS):
    folder, weights, out = given
    silent = lambda _done, _all: None  # noqa: E731
    return index_sources([folder], out, weights, load, options, say=pytest.fail, progress=silent)


def sources_in(out):
    with PeopleStore.open(out).snapshot() as snapshot:
        return sorted(snapshot.table().column("source").to_pylist())


def when_loaders_run(given):
    """Return what loads the network, once there is a process that reads pictures."""

    def load():
        deadline = time.monotonic() + 20
        while not loaders() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert loaders()
        return OnePerson(given[1])

    return load


def test_pictures_of_a_new_index_are_read_while_the_network_is_loaded(given):
    done = indexed(given, when_loaders_run(given))
    assert (done.built.frames, done.built.sources, done.unchanged) == (PICTURES, PICTURES, 0)
    assert sources_in(given[2]) == sorted(map(str, given[0].iterdir()))
    assert not loaders()


def test_so_are_the_new_ones_of_an_old_index(given):
    indexed(given, lambda: OnePerson(given[1]))
    Image.new("RGB", (8, 6)).save(given[0] / "new.png")
    done = indexed(given, when_loaders_run(given))
    assert (done.built.frames, done.unchanged) == (1, PICTURES)
    assert sources_in(given[2]) == sorted(map(str, given[0].iterdir()))


def test_a_network_that_cannot_be_loaded_leaves_neither_processes_nor_an_index(given):
    def load():
        when_loaders_run(given)()
        raise UserError("no such network")

    with pytest.raises(UserError, match="no such network"):
        indexed(given, load)
    assert not loaders()
    assert not given[2].exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_another_has_indexed_meanwhile_is_not_read_again(given, workers):
    folder, weights, out = given
    path = folder / "1.png"

    def load():
        network = OnePerson(weights)
        store = PeopleStore.create(out, about_of(network, weights, "float16"))
        state = SourceState(path.stat().st_size, path.stat().st_mtime_ns)
        store.commit(schema_of(store.about).empty_table(), {str(path): state})
        return network

    done = indexed(given, load, IndexOptions(batch_size=2, workers=workers))
    assert (done.built.frames, done.unchanged) == (PICTURES - 1, 1)
    assert sources_in(out) == sorted(str(other) for other in folder.iterdir() if other != path)
    assert not loaders()
