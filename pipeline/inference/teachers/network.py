"""Kind `network`: an end-to-end network embeds the people of whole scenes at their true boxes."""

from collections.abc import Iterator, Sequence

import torch

from pipeline.basics.progress import Progress
from pipeline.batches.loading import Share
from pipeline.inference.crops import Embeddings
from pipeline.inference.people import PeopleInScene
from pipeline.inference.plain_pictures import plain_scenes
from pipeline.inference.sharing import ALL, done_by_all, own_batches
from pipeline.inference.teachers.leak import TrainedOn
from pipeline.inference.teachers.teacher import OWN_ADVICE, check_embeddings
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import EncodedPictures


class NetworkTeacher:
    """A `Teacher` that sees whole scenes.

    Args:
        network: the end-to-end network, in evaluation mode.
        name: of its file, for messages.
        trained_on: what it has learned from.
        batch_size: scenes at a time.
    """

    def __init__(
        self, network: PersonSearchNetwork, name: str, trained_on: TrainedOn, batch_size: int
    ) -> None:
        self._network, self._name, self._batch_size = network, name, batch_size
        self.trained_on = trained_on

    def embeddings(
        self,
        split: Split,
        images: EncodedPictures,
        people: Sequence[PeopleInScene],
        device: torch.device,
        progress: Progress,
        share: Share = ALL,
    ) -> Iterator[tuple[int, Embeddings]]:
        """Embed people, each where its true box is in the whole scene: `[n, D]` of unit length."""
        network = self._network.to(device)
        batches = own_batches(len(people), self._batch_size, share)
        scenes = [[people[number].scene for number in batch] for batch in batches]
        for batch, pictures in zip(batches, plain_scenes(images, scenes, device), strict=True):
            boxes = [torch.from_numpy(people[number].boxes).float().to(device) for number in batch]
            _, embedded = network.search(pictures, boxes)
            embeddings: Embeddings = torch.cat(embedded).float().cpu().numpy()
            own = [people[number] for number in batch]
            check_embeddings(embeddings, self._name, split, own, OWN_ADVICE)
            yield batch[0], embeddings
            progress(done_by_all(batch, len(people), share), len(people))
