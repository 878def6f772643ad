"""Person search in Python: one object that holds a network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from person_search.extras import own
from person_search.networks.loading import load_search_network
from person_search.networks.network import Floats, Picture
from person_search.people import People
from person_search.sources.frames import source_text
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import OwnPicture, read_picture

if TYPE_CHECKING:
    import torch

    from person_search.hits import Hit
    from person_search.index.indexing import Indexed, IndexOptions
    from person_search.index.selection import Selection

ARRAY = "an array"
"""What a picture is called that is no file."""


class PersonSearcher:
    """Finds and embeds the people in pictures.

    A picture is a file, read upright as its EXIF orientation says, or an array `[h, w, 3]`, RGB, uint8. Boxes
    are x1, y1, x2, y2 in its pixels.

    Attributes:
        network: what detects and embeds.
    """

    def __init__(self, weights: str | Path, device: "torch.device | None" = None) -> None:
        """Load a network.

        Args:
            weights: a student's weight file (.safetensors), or a network of `person-search export` (.onnx).
            device: where a student in PyTorch runs; None for a GPU where there is one.

        Raises:
            UserError: there is no such file, it holds no such network, or a package is missing.
        """
        self._weights = Path(weights)
        self.network = load_search_network(self._weights, device)

    def detect(self, picture: str | Path | Picture, min_score: float = 0.0) -> People:
        """Find and embed the people in a picture.

        Args:
            picture: see the class.
            min_score: people that are less sure, 0..1, are left out.

        Raises:
            UserError: the picture cannot be read, or is too narrow to be searched.
        """
        name, own = _opened(picture)
        (found,) = self.network.detect([own.pixels])
        boxes = (found.boxes / own.scale).astype(np.float32)
        return People(name, own.size, boxes, found.scores, found.embeddings).above(min_score)

    def embed(
        self, picture: str | Path | Picture, boxes: npt.ArrayLike | Sequence[Sequence[float]]
    ) -> Floats:
        """Embed the people in given boxes `[K, 4]` of a picture: `[K, D]` of unit length.

        Raises:
            UserError: the picture cannot be read or is too narrow, or a box has no area within it.
        """
        name, own = _opened(picture)
        given = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
        width, height = own.size
        cut = np.clip(given, 0, [width, height, width, height])
        for box, inside in zip(given, cut, strict=True):
            if not (np.isfinite(box).all() and (inside[2:] > inside[:2]).all()):
                text = ",".join(f"{value:g}" for value in box)
                raise UserError(f"box {text}: no area within {printable(name)}, {width} x {height} pixels")
        return self.network.embed(own.pixels, (cut * own.scale).astype(np.float32))

    def index(
        self,
        sources: Sequence[str | Path],
        out: str | Path,
        options: "IndexOptions | None" = None,
        say: Callable[[str], None] = print,
    ) -> "Indexed":
        """Detect and embed the people in pictures and videos, and keep them in an index.

        Args:
            sources: pictures, videos, folders of them, webcams and addresses.
            out: folder of the index; it is made. Sources that it knows are not read again.
            options: how; None for the defaults of `person-search index`.
            say: called with a line about each source that is passed over.

        Raises:
            UserError: a source is missing, the index is of another network, or a package is missing.
            OSError: the index cannot be written; what is committed stays.
        """
        indexing = own("person_search.index.indexing", "index")
        options = options or indexing.IndexOptions()
        silent = lambda _done, _all: None  # noqa: E731 (a word for it)
        done: Indexed = indexing.index_sources(
            sources, Path(out), self._weights, lambda: self.network, options, say=say, progress=silent
        )
        return done

    def find(
        self, index: str | Path, embeddings: Floats, top: int = 20, where: "Selection | None" = None
    ) -> "list[Hit]":
        """Return the people of an index that are most similar to one person, the most similar first.

        Args:
            index: the folder.
            embeddings: `[K, D]` of that person, from `embed` or `detect`; or one, `[D]`.
            top: how many at most.
            where: who may be found; None for all.

        Raises:
            UserError: it is no index, or one of another network.
        """
        ranking = own("person_search.index.ranking", "index")
        store = own("person_search.index.store", "index").PeopleStore.open(Path(index))
        store.about.check(replace(store.about, model_hash=self.network.model_hash), Path(index))
        hits: list[Hit] = ranking.rank(store, np.atleast_2d(embeddings), top, where)
        return hits


def _opened(picture: str | Path | Picture) -> tuple[str, OwnPicture]:
    """Return a picture's name and its pixels. Raises `UserError` where it cannot be read."""
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            given = f"{picture.dtype} {list(picture.shape)}"
            raise UserError(f"an array of {given}: give uint8 [h, w, 3], RGB, with at least one pixel")
        return ARRAY, OwnPicture(np.require(picture, requirements="W"), (picture.shape[1], picture.shape[0]))
    path = Path(picture)
    return source_text(path), read_picture(path)
