"""Teachers that see crops: the people's true boxes are cut from the decoded scenes, in memory.

Several models on the same crops are an ensemble. Its embedding joins their unit embeddings end to end, so its
inner product is the mean of theirs; see docs/tables.md for the choice.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.basics.errors import UserError
from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.batches.pictures import training_floats
from pipeline.inference.crops import Embeddings, embed_both_ways
from pipeline.inference.people import PeopleInScene
from pipeline.inference.plain_pictures import Size, plain_box_crops
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.inference.teachers.leak import TrainedOn, all_trained_on
from pipeline.inference.teachers.teacher import OWN_ADVICE, check_embeddings
from pipeline.models.reid import ReidModel
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import EncodedPictures


class CropModel(Protocol):
    """Embeds crops of one size.

    Attributes:
        name: of its file, for messages.
        size: height and width of the crops, in pixels.
        trained_on: what it has learned from.
        advice: what may be wrong where an embedding is zero or not finite.
    """

    name: str
    size: Size
    advice: str
    trained_on: TrainedOn

    def embed(self, crops: Tensor) -> Tensor:
        """Return the embeddings `[N, D]`, of any length, of crops `[N, 3, h, w]`, float RGB in 0..1, N > 0.

        Raises:
            UserError: the model cannot take such crops, or gives something else.
        """
        ...


class OwnCropModel:
    """A `CropModel` of this project: a re-ID model, which embeds a crop and its mirror image.

    Args:
        model: in evaluation mode.
        name: of its file, for messages.
        trained_on: what it has learned from.
        device: where it runs.
    """

    advice = OWN_ADVICE

    def __init__(self, model: ReidModel, name: str, trained_on: TrainedOn, device: torch.device) -> None:
        self._model, self.name, self.trained_on = model.to(device), name, trained_on
        self.size = (model.crop_height, model.crop_width)

    def embed(self, crops: Tensor) -> Tensor:
        """See `embed_both_ways`."""
        return embed_both_ways(self._model, crops)


class CropTeacher:
    """A `Teacher` that sees crops, with one model or several.

    Args:
        models: one, or in their order those of an ensemble.
        batch_size: crops at a time.
        scene_batch_size: scenes whose crops are cut out at a time.
    """

    def __init__(self, models: Sequence[CropModel], batch_size: int, scene_batch_size: int) -> None:
        self._models, self._batch_size, self._scene_batch_size = models, batch_size, scene_batch_size
        self._dims: dict[str, int] = {}
        self.trained_on = all_trained_on(model.trained_on for model in models)

    @torch.no_grad()
    def embeddings(
        self,
        split: Split,
        images: EncodedPictures,
        people: Sequence[PeopleInScene],
        device: torch.device,
        progress: Progress,
        share: Share = ALL,
    ) -> Iterator[tuple[int, Embeddings]]:
        """Embed people, each in a crop of its true box; see `Teacher.embeddings`."""
        batches = own_batches(len(people), self._scene_batch_size, share)
        boxes = [(found.scene, found.boxes) for found in people]
        cut = plain_box_crops(images, boxes, batches, [model.size for model in self._models], device)
        for batch, by_model in zip(batches, cut, strict=True):
            own = [people[number] for number in batch]
            found = []
            for model, crops in zip(self._models, by_model, strict=True):
                found.append(self._embedded(model, crops))
                check_embeddings(found[-1], model.name, split, own, model.advice)
            yield batch[0], joined(found)
            progress(done_by_all(batch, len(people), share), len(people))

    def _embedded(self, model: CropModel, crops: Tensor) -> Embeddings:
        """Embed uint8 crops `[N, 3, h, w]`, so many at a time, and check D."""
        parts = [
            model.embed(training_floats(part)).float().cpu() for part in torch.split(crops, self._batch_size)
        ]
        for part in parts:
            dim = self._dims.setdefault(model.name, part.shape[1])
            if part.shape[1] != dim:
                raise UserError(
                    f"{model.name} gives {dim} numbers for one crop and {part.shape[1]} for another"
                )
        embeddings: Embeddings = torch.cat(parts).numpy()
        return embeddings


def joined(embeddings: Sequence[Embeddings]) -> Embeddings:
    """Return several models' embeddings of the same crops as one: of a single one, its own as they are.

    Args:
        embeddings: of each model `[N, D_k]`, of any length but 0.

    Returns:
        `[N, D_1 + D_2 + ...]`, of unit length: the unit embeddings end to end, divided by the root of their
        number.
    """
    if len(embeddings) == 1:
        return embeddings[0]
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in embeddings]
    return np.concatenate(units, axis=1, dtype=np.float32) / np.float32(math.sqrt(len(units)))
