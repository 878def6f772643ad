"""People who are coloured rectangles, and a network that finds them: which hits are right is seen at once."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from person_search.index.coverage import SourceState
from person_search.index.rows import PeopleRows
from person_search.index.schema import About
from person_search.index.store import PeopleStore
from person_search.networks.network import FoundPeople
from person_search.sources.frames import source_text

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 60, 220), "gold": (220, 180, 30)}
SIZE = (96, 64)
TALL, WIDE = 40, 12
GREY = 128
START = datetime(2026, 5, 31, 14, tzinfo=UTC)
DIMENSION = 8


class ColourNetwork:
    """Finds the rectangles of each colour in a picture; who is alike has nearly the same colour.

    Attributes:
        most_at_once: how many calls were in it at the same time.
    """

    embedding_dim = DIMENSION
    model_hash = "cd" * 32

    def __init__(self):
        self.preprocessing = {"kind": "colours"}
        self.most_at_once = 0
        self._within = 0
        self._lock = threading.Lock()

    def detect(self, pictures):
        with self._lock:
            self._within += 1
            self.most_at_once = max(self.most_at_once, self._within)
        time.sleep(0.01)
        with self._lock:
            self._within -= 1
        return [found(picture) for picture in pictures]

    def embed(self, picture, boxes):
        return np.stack([embedding(picture, box) for box in boxes])


def found(picture):
    """Return the people of a picture `[h, w, 3]`; a higher one has a higher score."""
    boxes = []
    for colour in COLOURS.values():
        there = np.abs(picture.astype(int) - colour).max(axis=2) < 30
        if there.any():
            rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
            boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    scores = np.minimum((boxes[:, 3] - boxes[:, 1]) / 64, 1).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    vectors = [embedding(picture, box) for box in boxes[order]]
    return FoundPeople(boxes[order], scores[order], np.array(vectors, np.float32).reshape(-1, DIMENSION))


def embedding(picture, box):
    """Return `[D]`: the direction of the mean colour, from grey."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    colour = picture[y1:y2, x1:x2].reshape(-1, 3).mean(axis=0) - GREY
    vector = np.zeros(DIMENSION, np.float32)
    vector[:3] = colour / np.linalg.norm(colour)
    return vector


def scene(path, people, size=SIZE, seed=0):
    """Write a picture.

    Args:
        path: of a kind that keeps colours.
        people: for each, the colour, the left edge and the height.
        size: width and height.
        seed: of the small differences in colour.
    """
    generator = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), GREY, np.uint8)
    for name, left, tall in people:
        colour = np.array(COLOURS[name]) + generator.integers(-12, 13, 3)
        pixels[size[1] - tall : size[1], left : left + WIDE] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def index_of(folder, pictures):
    """Index pictures, a minute apart, with two cameras in turn."""
    about = About(ColourNetwork.model_hash, DIMENSION, {"kind": "colours"}, "float32")
    store = PeopleStore.create(folder, about)
    for number, path in enumerate(pictures):
        with Image.open(path) as image:
            people = found(np.array(image))
        add(store, source_text(path), people, number, state_of(path))
    return store


def add(store, source, people, number=0, state=None, frame=0):
    """Add the people of one frame."""
    store.commit(rows_of(source, people, number, frame), {source: state or SourceState(0, 0)})


def rows_of(source, people, number=0, frame=0):
    """Return the people of one frame as a commit takes them."""
    count = len(people.scores)
    return PeopleRows(
        [source] * count,
        [frame] * count,
        [START + timedelta(minutes=number)] * count,
        [f"camera-{number % 2}"] * count,
        people.boxes,
        people.scores,
        people.embeddings,
    )


def state_of(path: Path):
    """Return what the index says of a file that is as it is now."""
    status = path.stat()
    return SourceState(status.st_size, status.st_mtime_ns)
