"""From shards to training batches: the same batches whatever the number of workers."""

import os
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
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
from pipeline.batches.samplers import Draw
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import ImageShards

LONGEST_SOCKET = 107
"""Bytes that the name of a Unix socket may have."""
SOCKET_BELOW = "/pymp-xxxxxxxx/listener-xxxxxxxx"
"""What Python appends to the temporary folder's name for a socket."""
WORKER_SECONDS = 600
"""After which a batch that a process loads will not come. One takes seconds at most."""


class SceneBatch(NamedTuple):
    """`images`: `[3, H, W]` float in 0..1, one a scene; `targets`: their ground truth."""

    images: list[Tensor]
    targets: list[Target]


class CropBatch(NamedTuple):
    """`crops`: `[N, 3, h, w]` float in 0..1; `person_ids`: `[N]`."""

    crops: Tensor
    person_ids: Tensor


Batch = TypeVar("Batch", SceneBatch, CropBatch)


def decode(encoded: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Tensor:
    """Decode JPEG bytes `[n]` to an RGB picture, uint8 `[3, H, W]`."""
    with Image.open(BytesIO(encoded.tobytes())) as image:
        picture: Tensor = v2.functional.pil_to_tensor(image.convert("RGB"))
    return picture


class TrainingScenes(Dataset[tuple[Tensor, Target]]):
    """The scenes of a split with their ground truth, changed at random by a seed of their own."""

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
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            picture, target["boxes"] = self.transform(picture, target["boxes"])
        target["boxes"] = target["boxes"].as_subclass(Tensor)
        return picture.as_subclass(Tensor), target


class TrainingCrops(Dataset[tuple[Tensor, int]]):
    """Crops of labelled people, changed at random by a seed of their own."""

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
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.transform(picture), int(self.person_ids[index])


def scene_loader(dataset: TrainingScenes, batches: Sampler[list[Draw]], workers: int) -> Iterator[SceneBatch]:
    """Yield the scenes that `batches` names."""
    return _loaded(_loader(dataset, batches, _scene_batch, workers))


def crop_loader(dataset: TrainingCrops, batches: Sampler[list[Draw]], workers: int) -> Iterator[CropBatch]:
    """Yield the crops that `batches` names."""
    return _loaded(_loader(dataset, batches, _crop_batch, workers))


def _loader(
    dataset: Dataset[Any], batches: Sampler[list[Draw]], collate: Callable[[list[Any]], Batch], workers: int
) -> DataLoader[Batch]:
    if workers:
        _check_limits()
    # A generator of its own: otherwise it draws from the one that samples RoIs, at each start anew.
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
    """See that processes can hand over batches: through sockets in the temporary folder, as open files.

    Raises:
        UserError: the temporary folder's name is too long for a socket's.
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
    """End a process that loads data if its training was killed before PyTorch looks after that."""
    if os.getppid() != training:
        os._exit(1)


def _loaded(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches; a worker's error, which comes with the worker's traceback, is one line again."""
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
