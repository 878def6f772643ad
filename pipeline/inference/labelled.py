"""Embedding the labelled people of whole scenes at their true boxes, with an end-to-end network."""

from typing import NamedTuple

import torch

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.crops import Embeddings
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.scene import UNLABELLED, FloatArray, IntArray, Split
from pipeline.scenes.shards import ImageShards


class LabelledPeople(NamedTuple):
    """The labelled people of one scene.

    Attributes:
        scene: its number in the split.
        boxes: `[L, 4]` their true boxes in pixels of the stored image, L > 0.
        person_ids: `[L]` `0 .. I-1`.
    """

    scene: int
    boxes: FloatArray
    person_ids: IntArray


def labelled_people(split: Split) -> list[LabelledPeople]:
    """Return the labelled people scene by scene; scenes without any are left out."""
    found = []
    for index, scene in enumerate(split.scenes):
        labelled = scene.person_ids != UNLABELLED
        if labelled.any():
            found.append(LabelledPeople(index, scene.boxes[labelled], scene.person_ids[labelled]))
    return found


def labelled_embeddings(
    network: PersonSearchNetwork,
    split: Split,
    images: ImageShards,
    batch_size: int,
    device: torch.device,
    progress: Progress,
    share: Share = ALL,
) -> dict[int, Embeddings]:
    """Embed a device's share of a split's labelled people, each where its true box is in the whole scene.

    Args:
        network: the end-to-end network, in evaluation mode.
        split: the scenes; those without labelled people are left out.
        images: their pictures.
        batch_size: scenes at a time.
        device: where the network runs.
        progress: progress.
        share: which batches are this device's.

    Returns:
        Embeddings `[n, D]` of unit length, of all people of a batch, by the batch's first number among the
        scenes with labelled people; joined in this order they are those of `labelled_people`.

    Raises:
        UserError: nobody is labelled.
    """
    people = labelled_people(split)
    if not people:
        raise UserError(f"there is nobody to embed: nobody in the {split.name} split is labelled")
    network = network.to(device)
    batches = own_batches(len(people), batch_size, share)
    scenes = [[people[number].scene for number in batch] for batch in batches]
    embeddings = {}
    for batch, pictures in zip(batches, plain_scenes(images, scenes, device), strict=True):
        boxes = [torch.from_numpy(people[number].boxes).float().to(device) for number in batch]
        _, embedded = network.search(pictures, boxes)
        embeddings[batch[0]] = torch.cat(embedded).float().cpu().numpy()
        progress(done_by_all(batch, len(people), share), len(people))
    return embeddings
