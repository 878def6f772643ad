"""From shards to training batches; the batches do not depend on the number of workers."""

import os
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import tv_tensors
from torchvision.transforms import v2

from pipeline.basics.errors import UserError
from pipeline.batches.ground_truth import Target, ground_truth
from pipeline.batches.samplers import Draw, ShuffledBatches
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import ImageShards

LONGEST_SOCKET = 107
"""Most bytes in the path of a Unix socket."""
SOCKET_BELOW = "/pymp-xxxxxxxx/listener-xxxxxxxx"
"""What Python appends to the temporary folder's path for a socket."""
WORKER_SECONDS = 600
"""How long to wait for a batch from a worker before giving up. A batch takes seconds at most."""


class SceneBatch(NamedTuple):
    """Scenes: `images`, each float `[3, H, W]` in 0..1, and `targets`, the ground truth of each."""

    images: list[Tensor]
    targets: list[Target]


class CropBatch(NamedTuple):
    """Crops: `crops`, float `[N, 3, h, w]` in 0..1, and `person_ids` `[N]`."""

    crops: Tensor
    person_ids: Tensor


Batch = TypeVar("Batch", SceneBatch, CropBatch)


def decode(encoded: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Tensor:
    """Decode JPEG bytes `[n]` to an RGB picture, uint8 `[3, H, W]`."""
    with Image.open(BytesIO(encoded.tobytes())) as image:
        picture: Tensor = v2.functional.pil_to_tensor(image.convert("RGB"))
    return picture


class TrainingScenes(Dataset[tuple[Tensor, Target]]):
    """The scenes of a split with their ground truth, after random changes; each draw has its own seed."""

    def __init__(self, split: Split, images: ImageShards, transform: v2.Transform) -> None:
        self.scenes = split.scenes
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.scenes)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Target]:
        """Load scene `draw[0]`; the random changes depend on `draw[1]` alone."""
        index, seed = draw
        picture = tv_tensors.Image(decode(self.images[index]))
        target = ground_truth(self.scenes[index], (picture.shape[-2], picture.shape[-1]))
        with _seeded(seed):
            picture, target["boxes"] = self.transform(picture, target["boxes"])
        target["boxes"] = target["boxes"].as_subclass(Tensor)
        return picture.as_subclass(Tensor), target


class TrainingCrops(Dataset[tuple[Tensor, int]]):
    """Crops of labelled people, after random changes; each draw has its own seed."""

    def __init__(self, split: Split, images: ImageShards, transform: v2.Transform) -> None:
        self.person_ids = np.array([int(scene.person_ids[0]) for scene in split.scenes])
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.person_ids)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, int]:
        """Load crop `draw[0]`; the random changes depend on `draw[1]` alone."""
        index, seed = draw
        picture = decode(self.images[index])
        with _seeded(seed):
            return self.transform(picture), int(self.person_ids[index])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's generator, which torchvision's transforms draw from; restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Share(NamedTuple):
    """The part of each batch that a device takes: part `rank`, `0 .. ranks-1`, of `ranks`."""

    rank: int = 0
    ranks: int = 1


def scene_batches(
    scenes: TrainingScenes, batch_size: int, steps: int, seed: int, share: Share, done: int, workers: int
) -> Iterator[SceneBatch]:
    """Yield a device's share of each batch of a training.

    Args:
        scenes: the scenes to draw from, in shuffled epochs.
        batch_size: number of scenes in a batch, over all devices together.
        steps: number of batches in the whole training.
        seed: of the order and of each scene's random changes.
        share: which part of each batch this device takes.
        done: how many batches to leave out at the start.
        workers: number of processes that load data; with 0, this process loads them.

    Raises:
        UserError: there are no scenes, or a shard is damaged.
    """
    if not len(scenes):
        raise UserError("the training split has no scenes; see `person-search check-data`")
    sampler = ShuffledBatches(len(scenes), batch_size, steps, seed, share.rank, share.ranks, done)
    return _loaded(_loader(scenes, sampler, _scene_batch, workers))


def crop_batches(crops: TrainingCrops, sampler: Sampler[list[Draw]], workers: int) -> Iterator[CropBatch]:
    """Yield the crops that a sampler names, batch by batch; `workers` processes load them."""
    return _loaded(_loader(crops, sampler, _crop_batch, workers))


def _loader(
    dataset: Dataset[Any], batches: Sampler[list[Draw]], collate: Callable[[list[Any]], Batch], workers: int
) -> DataLoader[Batch]:
    if workers:
        _check_limits()
    # The loader draws a number whenever it starts. From the global generator, that would change which RoIs
    # are sampled after a resume.
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        timeout=WORKER_SECONDS if workers else 0,
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=partial(_end_if_alone, os.getpid()),
    )


def _check_limits() -> None:
    """Make sure that workers can hand over batches: as open files, through sockets in the temporary folder.

    The limit of open files is raised to the most that the system allows.

    Raises:
        UserError: the temporary folder's path is too long for a socket in it.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_SOCKET - len(SOCKET_BELOW):
        raise UserError(
            f"the temporary folder's name is too long for processes that load data ({folder}); set TMPDIR to "
            f"a shorter one, or PERSON_SEARCH_WORKERS=0"
        )
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _end_if_alone(training: int, _worker: int) -> None:
    """End a worker whose training was killed while it started; later, PyTorch's own watch ends it."""
    if os.getppid() != training:
        os._exit(1)


def _loaded(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches; a worker's `UserError`, which arrives with its traceback as text, is one line again."""
    try:
        yield from batches
    except UserError as error:
        line = str(error).rstrip().splitlines()[-1]
        raise UserError(line.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")) from None


def _scene_batch(samples: list[tuple[Tensor, Target]]) -> SceneBatch:
    return SceneBatch([picture for picture, _ in samples], [target for _, target in samples])


def _crop_batch(samples: list[tuple[Tensor, int]]) -> CropBatch:
    return CropBatch(
        torch.stack([crop for crop, _ in samples]), torch.tensor([person for _, person in samples])
    )
