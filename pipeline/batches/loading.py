"""From shards to training batches; the batches do not depend on the number of workers.

Pictures are decoded and changed at random as uint8, in data processes where there are any. They become floats
on the device of the training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision import tv_tensors
from torchvision.transforms import v2

from pipeline.basics.errors import UserError
from pipeline.batches.data_processes import loaded
from pipeline.batches.ground_truth import BOXES, QUERY, Target, ground_truth
from pipeline.batches.pictures import decode, training_floats
from pipeline.batches.samplers import Draw, PairDraw, ScenePairs, ShuffledBatches
from pipeline.batches.transforms import ChangedCrop, CropTransform, erase
from pipeline.batches.views import drawn_view, seen_in
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import ImageShards
from pipeline.scenes.views import Views

CPU = torch.device("cpu")


class SceneBatch(NamedTuple):
    """Scenes: `images`, each float `[3, H, W]` in 0..1, and `targets`, the ground truth of each."""

    images: list[Tensor]
    targets: list[Target]


class CropBatch(NamedTuple):
    """Crops: `crops`, float `[N, 3, h, w]` in 0..1, and `person_ids` `[N]`."""

    crops: Tensor
    person_ids: Tensor


class TrainingScenes(Dataset[tuple[Tensor, Target]]):
    """The scenes of a split with their ground truth, after random changes; each draw has its own seed.

    Args:
        split: the split.
        images: its pictures.
        transform: the random changes.
        with_box_rows: whether targets say which row of the table by box each box has. The table itself stays
            in the training process.
        views: in which a scene is shown, a view a draw, with the rows of its boxes in that view; None for the
            picture itself.
    """

    def __init__(
        self,
        split: Split,
        images: ImageShards,
        transform: v2.Transform,
        with_box_rows: bool = False,
        views: Views | None = None,
    ) -> None:
        self.scenes = split.scenes
        self.images = images
        self.transform = transform
        self.offsets = box_offsets(split.scenes) if with_box_rows else None
        self.views = views

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.scenes)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Target]:
        """Load scene `draw[0]`, uint8 `[3, H, W]`; the random changes depend on `draw[1]` alone."""
        index, seed = draw
        decoded, view = decode(self.images[index]), 0
        if self.views is not None:
            view = drawn_view(seed, self.views)
            decoded = seen_in(self.views[view, index], decoded)
        picture = tv_tensors.Image(decoded)
        first_row = None if self.offsets is None else int(view * self.offsets[-1] + self.offsets[index])
        target = ground_truth(self.scenes[index], (picture.shape[-2], picture.shape[-1]), first_row)
        names = [name for name in BOXES if name in target]
        with _seeded(seed):
            picture, *boxes = self.transform(picture, *(target[name] for name in names))
        target |= {name: own.as_subclass(Tensor) for name, own in zip(names, boxes, strict=True)}
        return picture.as_subclass(Tensor), target


class TrainingPairs(Dataset[tuple[tuple[Tensor, Target], tuple[Tensor, Target]]]):
    """Pairs of a query scene, whose target names the query's box, and a gallery scene."""

    def __init__(self, scenes: TrainingScenes) -> None:
        self.scenes = scenes

    def __getitem__(self, draw: PairDraw) -> tuple[tuple[Tensor, Target], tuple[Tensor, Target]]:
        """Load both scenes of a pair; see `TrainingScenes`."""
        picture, target = self.scenes[draw.query]
        # Random changes keep the order of boxes. A person that is there twice is looked for by the first.
        boxes = torch.where(target["person_ids"] == draw.person_id)[0]
        return (picture, target | {QUERY: boxes[:1]}), self.scenes[draw.gallery]


class TrainingCrops(Dataset[tuple[ChangedCrop, int]]):
    """Crops of labelled people, after random changes; each draw has its own seed."""

    def __init__(self, split: Split, images: ImageShards, transform: CropTransform) -> None:
        self.person_ids = np.array([int(scene.person_ids[0]) for scene in split.scenes])
        self.images = images
        self.transform = transform

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.person_ids)

    def __getitem__(self, draw: Draw) -> tuple[ChangedCrop, int]:
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
    """The part of the work that a device takes: part `rank`, `0 .. ranks-1`, of `ranks`."""

    rank: int = 0
    ranks: int = 1


def scene_batches(
    scenes: TrainingScenes,
    batch_size: int,
    steps: int,
    seed: int,
    share: Share,
    done: int,
    workers: int,
    device: torch.device = CPU,
) -> Iterator[SceneBatch]:
    """Yield a device's share of each batch of a training, on the device.

    Args:
        scenes: the scenes to draw from, in shuffled epochs.
        batch_size: number of scenes in a batch, over all devices together.
        steps: number of batches in the whole training.
        seed: of the order and of each scene's random changes.
        share: which part of each batch this device takes.
        done: how many batches to leave out at the start.
        workers: number of processes that load data; with 0, this process loads them.
        device: the device.

    Raises:
        UserError: there are no scenes, or a shard is damaged.
    """
    if not len(scenes):
        raise UserError("the training split has no scenes; see `person-search check-data`")
    sampler = ShuffledBatches(len(scenes), batch_size, steps, seed, share.rank, share.ranks, done)
    for images, targets in loaded(scenes, sampler, _sent_scenes, workers, device):
        yield _on_device(images, targets, device)


def pair_batches(
    scenes: TrainingScenes,
    batch_size: int,
    steps: int,
    seed: int,
    share: Share,
    done: int,
    workers: int,
    device: torch.device = CPU,
    *,
    absent: float = 0.0,
) -> Iterator[SceneBatch]:
    """Yield a device's share of each batch of pairs: all query scenes, then their gallery scenes.

    Arguments are those of `scene_batches`, but `batch_size` is the number of pairs, and `absent` the share of
    pairs whose gallery scene does not show the query's person.

    Raises:
        UserError: nobody is in two scenes, or a shard is damaged.
    """
    people = [scene.person_ids for scene in scenes.scenes]
    sampler = ScenePairs(people, batch_size, steps, seed, share.rank, share.ranks, done, absent)
    if not sampler.galleries:
        raise UserError(
            "no labelled person of the training split is in two scenes, so there are no pairs to train on; "
            "take another network.head, or see `person-search check-data`"
        )
    for images, targets in loaded(TrainingPairs(scenes), sampler, _sent_pairs, workers, device):
        yield _on_device(images, targets, device)


def _on_device(images: list[Tensor], targets: list[Target], device: torch.device) -> SceneBatch:
    return SceneBatch(
        [training_floats(image.to(device, non_blocking=True)) for image in images],
        [
            {name: values.to(device, non_blocking=True) for name, values in target.items()}
            for target in targets
        ],
    )


def crop_batches(
    crops: TrainingCrops, sampler: Sampler[list[Draw]], workers: int, device: torch.device = CPU
) -> Iterator[CropBatch]:
    """Yield the crops that a sampler names, batch by batch, on a device; `workers` processes load them."""
    for sent in loaded(crops, sampler, _sent_crops, workers, device):
        changed, person_ids = (
            values.to(device, non_blocking=True) for values in (sent.crops, sent.person_ids)
        )
        pictures = training_floats(changed)
        if sent.erased is not None:
            pictures = erase(pictures, sent.erased.to(device, non_blocking=True))
        yield CropBatch(pictures, person_ids)


class _SentCrops(NamedTuple):
    """Crops as they travel: uint8 `[N, 3, h, w]`, where they are erased, bool `[N, 1, h, w]`, and ids."""

    crops: Tensor
    erased: Tensor | None
    person_ids: Tensor


def _sent_scenes(samples: list[tuple[Tensor, Target]]) -> tuple[list[Tensor], list[Target]]:
    return [picture for picture, _ in samples], [target for _, target in samples]


def _sent_pairs(
    samples: list[tuple[tuple[Tensor, Target], tuple[Tensor, Target]]],
) -> tuple[list[Tensor], list[Target]]:
    return _sent_scenes([query for query, _ in samples] + [gallery for _, gallery in samples])


def _sent_crops(samples: list[tuple[ChangedCrop, int]]) -> _SentCrops:
    erased = [crop.erased for crop, _ in samples if crop.erased is not None]
    return _SentCrops(
        torch.stack([crop.picture for crop, _ in samples]),
        torch.stack(erased) if erased else None,
        torch.tensor([person for _, person in samples]),
    )
