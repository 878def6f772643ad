"""Running a query-guided network over pairs of a query and a gallery scene.

What a scene gives whatever it is paired with is computed once a block of query scenes, or once in all as long
as memory is left for it. A finished block can be kept, so that an interrupted run goes on after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.basics.atomic import replacing
from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.inference.sharing import ALL
from pipeline.models.qeeps import PairResult, Qeeps, SceneStart
from pipeline.scenes.scene import IntArray, Split
from pipeline.scenes.shards import ImageShards

BLOCK = 16
"""Query scenes at a time: what is lost at most when a run is stopped."""
KEPT_BYTES = 1 << 30
"""How much memory the gallery scenes' first stages may take from one block to the next."""

Wanted = npt.NDArray[np.bool_]
"""`[Q, S]` which scene is searched for which query."""


@dataclass(frozen=True)
class FoundPairs:
    """What was found in P pairs of a query and a gallery scene, by query and then by scene.

    Attributes:
        queries: `[P]` places among the split's queries.
        scenes: `[P]` places among the split's scenes.
        counts: `[P]` number of detections.
        detections: `[M, 5]` x1 y1 x2 y2 score, pixels of the stored image, by falling score within a pair.
        similarities: `[M]` with the query.
    """

    queries: IntArray
    scenes: IntArray
    counts: IntArray
    detections: npt.NDArray[np.float32]
    similarities: npt.NDArray[np.float32]


class KeptBlocks:
    """Finished blocks on disk, a file each, so that an interrupted run goes on after them.

    Args:
        folder: where they are; made when the first is written. It belongs to one run with these very inputs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, block: int) -> FoundPairs | None:
        """Return a block; None where it is not there, or damaged."""
        try:
            with np.load(self._path(block), allow_pickle=False) as archive:
                return FoundPairs(**{item.name: archive[item.name] for item in fields(FoundPairs)})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def write(self, block: int, found: FoundPairs) -> None:
        """Keep a block, whole or not at all."""
        with replacing(self._path(block)) as path, path.open("wb") as file:
            np.savez(file, **vars(found))

    def remove(self) -> None:
        """Remove all blocks, and the folder if nothing else is in it."""
        for path in (*self.folder.glob("block_*.npz"), *self.folder.glob(".block_*.tmp")):
            path.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def _path(self, block: int) -> Path:
        return self.folder / f"block_{block:06}.npz"


def wanted_pairs(split: Split, galleries: Sequence[str] | None) -> Wanted:
    """Return `[Q, S]` which scenes the named galleries, or else the default one, list for each query.

    Raises:
        UserError: there is no gallery of a name.
    """
    wanted = np.zeros((len(split.queries), len(split.scenes)), dtype=bool)
    if not split.queries:
        return wanted
    for name in (split.default_gallery,) if galleries is None else galleries:
        if name not in split.galleries:
            raise UserError(
                f"params.yaml: infer.galleries: the {split.name} split has no gallery {name!r}; "
                f"it has {', '.join(split.galleries)}"
            )
        for index, query in enumerate(split.queries):
            wanted[index] |= split.galleries[name].times_of_query(index, query.scene, split.cameras) > 0
    return wanted


def search_pairs(
    network: Qeeps,
    split: Split,
    images: ImageShards,
    wanted: Wanted,
    *,
    batch_size: int,
    device: torch.device,
    progress: Progress,
    kept: KeptBlocks | None = None,
    share: Share = ALL,
) -> dict[int, FoundPairs]:
    """Search scenes for queries, one forward pass a pair, and return what was found by block.

    Args:
        network: the query-guided network, in evaluation mode.
        split: scenes and queries.
        images: their pictures.
        wanted: `[Q, S]` which scene to search for which query.
        batch_size: pairs of scenes at a time.
        device: where the network runs.
        progress: called with the pairs that are done and all pairs; with several devices, an estimate.
        kept: where finished blocks are kept; None for nowhere.
        share: which part of the blocks this device takes.
    """
    network = network.to(device)
    blocks = list(enumerate(blocks_of(split)))[share.rank :: share.ranks]
    starts = _Starts(network, images, batch_size, device)
    total, done, found = int(wanted.sum()), 0, {}
    for number, queries in blocks:
        block = kept.read(number) if kept else None
        if block is None:
            block = _search_block(network, split, wanted, queries, starts)
            if kept:
                kept.write(number, block)
        found[number] = block
        done += len(block.queries)
        progress(min(total, done * share.ranks), total)
    return found


def joined(blocks: Sequence[FoundPairs]) -> FoundPairs:
    """Join what was found in several blocks, and put the pairs in order: by query, then by scene."""
    queries, scenes, counts = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(block, name) for block in blocks)])
        for name in ("queries", "scenes", "counts")
    )
    detections = np.concatenate([np.zeros((0, 5), np.float32), *(block.detections for block in blocks)])
    similarities = np.concatenate([np.zeros(0, np.float32), *(block.similarities for block in blocks)])
    order = np.lexsort((scenes, queries))
    # Where each pair's detections are now, in the new order of the pairs.
    first = (np.cumsum(counts) - counts)[order]
    lengths = counts[order]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.repeat(first, lengths) + within
    return FoundPairs(queries[order], scenes[order], lengths, detections[rows], similarities[rows])


def blocks_of(split: Split) -> list[dict[int, list[int]]]:
    """Return the queries `BLOCK` query scenes at a time: places of queries by their scene."""
    of_scene: dict[int, list[int]] = {}
    for index, query in enumerate(split.queries):
        of_scene.setdefault(query.scene, []).append(index)
    scenes = sorted(of_scene)
    return [
        {scene: of_scene[scene] for scene in scenes[start : start + BLOCK]}
        for start in range(0, len(scenes), BLOCK)
    ]


class _Starts:
    """The scenes' first stages. As many are kept as memory allows; the others are computed when asked for."""

    def __init__(self, network: Qeeps, images: ImageShards, batch_size: int, device: torch.device) -> None:
        self._network, self._images, self._batch_size, self._device = network, images, batch_size, device
        self._kept: dict[int, SceneStart] = {}
        self._bytes = 0

    def of(self, scenes: Sequence[int]) -> Iterator[dict[int, SceneStart]]:
        """Yield the first stages of scenes, `batch_size` scenes at a time, by scene."""
        batches = [
            scenes[first : first + self._batch_size] for first in range(0, len(scenes), self._batch_size)
        ]
        missing = [[scene for scene in batch if scene not in self._kept] for batch in batches]
        pictures = iter(plain_scenes(self._images, [own for own in missing if own], self._device))
        for batch, own in zip(batches, missing, strict=True):
            new = dict(zip(own, map(self._network.start, next(pictures) if own else []), strict=True))
            for scene, start in new.items():
                size = start.features.numel() * start.features.element_size()
                if self._bytes + size <= KEPT_BYTES:
                    self._kept[scene], self._bytes = start, self._bytes + size
            yield {scene: new.get(scene) or self._kept[scene] for scene in batch}


def _search_block(
    network: Qeeps,
    split: Split,
    wanted: Wanted,
    queries: Mapping[int, list[int]],
    starts: _Starts,
) -> FoundPairs:
    """Search for the queries of some scenes; see `search_pairs`."""
    query_starts = {scene: start for batch in starts.of(list(queries)) for scene, start in batch.items()}
    needed = np.flatnonzero(wanted[[index for own in queries.values() for index in own]].any(axis=0))
    found: list[tuple[int, int, PairResult]] = []
    for batch in starts.of(needed.tolist()):
        for scene, own in queries.items():
            gallery = [place for place in batch if wanted[own, place].any()]
            # Scenes of another padded size cannot go through the stem together.
            gallery.sort(key=lambda place: batch[place].padded)
            for _, same_size in groupby(gallery, key=lambda place: batch[place].padded):
                places = list(same_size)
                boxes = torch.from_numpy(np.stack([split.queries[index].box for index in own])).float()
                results = network.search_pairs(
                    query_starts[scene],
                    boxes.to(query_starts[scene].features.device),
                    [batch[place] for place in places],
                    wanted[own][:, places],
                )
                found += [(own[query], places[place], result) for (query, place), result in results.items()]
    return _as_arrays(found)


def _as_arrays(found: list[tuple[int, int, PairResult]]) -> FoundPairs:
    """Return results of pairs (query, scene) as arrays."""
    scored = [torch.cat([result.boxes, result.scores[:, None]], dim=1) for _, _, result in found]
    return FoundPairs(
        np.array([query for query, _, _ in found], dtype=np.int64),
        np.array([scene for _, scene, _ in found], dtype=np.int64),
        np.array([len(result.scores) for _, _, result in found], dtype=np.int64),
        _stacked(scored, (0, 5)),
        _stacked([result.similarities for _, _, result in found], (0,)),
    )


def _stacked(parts: Sequence[Tensor], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Join tensors to one array, which has a `shape` if there are none."""
    return torch.cat(list(parts)).float().cpu().numpy() if parts else np.zeros(shape, np.float32)
