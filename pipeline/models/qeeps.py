"""QEEPS: a network that looks at a scene while it knows whom to look for (Munjal et al., CVPR 2019).

A query scene and a gallery scene go through the same stem. They weight each other's channels on the way, the
query's features rank the proposals of the gallery scene, and a subnet compares the embeddings. Detection is
that of an OIM student. What is the paper's and what is our reading of it stands in docs/method.md.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import resize_boxes

from pipeline.batches.ground_truth import BOX_ROWS, IGNORED, PERSON, QUERY, Target
from pipeline.models.backbones import FEATURE_LEVEL
from pipeline.models.person_search import (
    FurtherLosses,
    PersonSearchNetwork,
    PersonSearchOptions,
    SearchStep,
)
from pipeline.models.post_processing import FoundPeople
from pipeline.models.query_guidance import QueryProposals, SiameseExcitation, SimilaritySubnet
from pipeline.models.region_proposals import anchor_rows
from pipeline.scenes.scene import UNLABELLED

Size = tuple[int, int]
"""(height, width) in pixels."""
TRIAL_SIDE = 64
"""Pixels: side of the image by which the stages of a stem are told apart."""


class Stage(NamedTuple):
    """The parts `first .. end-1` of a stem, all of one stride, and how many channels they give."""

    first: int
    end: int
    channels: int


class Scenes(NamedTuple):
    """Scenes of one padded size.

    Attributes:
        features: `[B, C, h, w]` the images, or features of them.
        sizes: of the resized images, without padding.
        padded: the size that they were padded to.
    """

    features: Tensor
    sizes: Sequence[Size]
    padded: Size

    def of(self, places: list[int]) -> "Scenes":
        """Return some of them."""
        if len(places) == len(self.sizes):
            return self
        return Scenes(self.features[places], [self.sizes[place] for place in places], self.padded)

    def without_pixels(self) -> ImageList:
        """Return them as torchvision's batch, of which only sizes are looked at: it takes no memory."""
        return ImageList(torch.empty(len(self.sizes), 3, *self.padded, device="meta"), list(self.sizes))


class SceneStart(NamedTuple):
    """One scene, as far as no other scene has a say: after the first stage, or after a stem without QSSE.

    Attributes:
        features: `[1, C, h, w]`.
        means: `[1, C]` the channels' means over the scene.
        resized: size of the resized image, without padding.
        padded: the size that it was padded to.
        own: size of the image itself.
    """

    features: Tensor
    means: Tensor
    resized: Size
    padded: Size
    own: Size


class PairResult(NamedTuple):
    """What was found in a gallery scene for one query.

    Attributes:
        boxes: `[N, 4]` in the scene's own pixels.
        scores: `[N]` 0..1 that it is a person, falling.
        similarities: `[N]` with the query: the subnet's logits, or cosines.
    """

    boxes: Tensor
    scores: Tensor
    similarities: Tensor


class Qeeps(PersonSearchNetwork):
    """An OIM student that a query guides.

    It is trained on pairs: of 2 B images, the first B are query scenes, the others their gallery scenes. A
    query scene's target names the query's box.
    """

    trains_on_pairs = True

    def __init__(self, options: PersonSearchOptions) -> None:
        super().__init__(options)
        guidance = options.guidance
        self._stages = stages_of(self.stem)
        self.excitations = nn.ModuleList()
        if guidance.squeeze:
            self.excitations.extend(
                SiameseExcitation(stage.channels, guidance.reduction) for stage in self._stages
            )
        self.query_proposals: QueryProposals | None = None
        if guidance.proposals:
            (anchors,) = self.rpn.anchor_generator.num_anchors_per_location()
            self.query_proposals = QueryProposals(self.stem_channels, anchors, guidance.reduction)
        self.similarity: SimilaritySubnet | None = None
        if guidance.similarity == "subnet":
            self.similarity = SimilaritySubnet(options.embedding_dim)

    @classmethod
    def further_losses(cls, options: PersonSearchOptions) -> tuple[str, ...]:
        """See `PersonSearchNetwork.further_losses`: those of the modules that are not switched off."""
        guidance = options.guidance
        there = {"query_objectness": guidance.proposals, "similarity": guidance.similarity == "subnet"}
        return tuple(name for name, used in there.items() if used)

    def search_step(self, images: list[Tensor], targets: list[Target]) -> SearchStep:
        """Run one training step's forward pass on pairs; see the class for the order of the images.

        The detector's losses are of the gallery scenes. The embeddings are, pair by pair, those of the query
        and of the people in the gallery scene.
        """
        pairs = len(images) // 2
        batch, resized = self.resized(images, targets)
        scenes = Scenes(batch.tensors, batch.image_sizes, (batch.tensors.shape[-2], batch.tensors.shape[-1]))
        (features,) = self._through_stem([scenes])
        queries = _queries_of(resized[:pairs])
        guidance = self._guidance(
            features[:pairs], queries.boxes, batch.image_sizes[:pairs], features[pairs:]
        )

        gallery = ImageList(batch.tensors[pairs:], batch.image_sizes[pairs:])
        gallery_features, truth = {FEATURE_LEVEL: features[pairs:]}, resized[pairs:]
        proposals, rpn_losses = self.rpn(gallery, gallery_features, truth, guidance)
        sampled = self.sample_boxes(proposals, truth)
        # Queries and RoIs go through the tail together, so that its batch statistics are of both.
        rows = self.roi_features(
            {FEATURE_LEVEL: features}, [*queries.boxes, *sampled.boxes], batch.image_sizes
        )
        detection = self.step_from(gallery, gallery_features, truth, rpn_losses, sampled, rows[pairs:])
        people = sampled.labels == PERSON
        own, found = self.embed(rows[:pairs]), self.embed(rows[pairs:][people])
        found_ids = sampled.person_ids[people]
        lengths = torch.tensor([len(boxes) for boxes in sampled.boxes], device=people.device)
        pair_of = torch.repeat_interleave(lengths)[people]

        losses, counts = {}, {}
        if guidance is not None:
            wanted = _boxes_of(queries.person_ids, truth)
            places, labels = self.rpn.matched_anchors(gallery, gallery_features, wanted)
            losses["query_objectness"] = query_objectness_loss(anchor_rows(guidance)[places], labels)
            counts["query_objectness"] = len(places)
        if self.similarity is not None:
            same = _same_person(queries.person_ids[pair_of], found_ids)
            losses["similarity"] = similarity_loss(self.similarity(own[pair_of], found), same)
            counts["similarity"] = len(found)
        # Pair by pair: so several devices that share the pairs have the same order together as one device.
        order = torch.argsort(torch.cat([torch.arange(pairs, device=pair_of.device), pair_of]), stable=True)
        box_rows = None
        if queries.box_rows is not None and sampled.box_rows is not None:
            box_rows = torch.cat([queries.box_rows, sampled.box_rows[people]])[order]
        return SearchStep(
            detection,
            torch.cat([own, found])[order],
            torch.cat([queries.person_ids, found_ids])[order],
            FurtherLosses(losses, counts),
            box_rows=box_rows,
        )

    def scene_features(self, images: list[Tensor]) -> tuple[ImageList, dict[str, Tensor]]:
        """Run the stem on scenes that are each paired with themselves; see `Detector.scene_features`."""
        batch, _ = self.transform(images)
        padded = (batch.tensors.shape[-2], batch.tensors.shape[-1])
        scenes = Scenes(batch.tensors, batch.image_sizes, padded)
        (features,) = self._through_stem([scenes], with_itself=True)
        return batch, {FEATURE_LEVEL: features}

    @torch.no_grad()
    def start(self, image: Tensor) -> SceneStart:
        """Run what is the same in all pairs of a scene `[3, H, W]`, in 0..1."""
        batch, _ = self.transform([image])
        (resized,), padded = batch.image_sizes, (batch.tensors.shape[-2], batch.tensors.shape[-1])
        stages = self._stages[:1] if len(self.excitations) else self._stages
        scenes = Scenes(self._run(stages, batch.tensors), [resized], padded)
        size = (image.shape[-2], image.shape[-1])
        return SceneStart(scenes.features, scene_means(scenes), resized, padded, size)

    @torch.no_grad()
    def search_pairs(
        self,
        query: SceneStart,
        boxes: Tensor,
        gallery: Sequence[SceneStart],
        wanted: npt.NDArray[np.bool_],
    ) -> dict[tuple[int, int], PairResult]:
        """Search gallery scenes for the queries of one scene.

        Args:
            query: the scene that the queries are from.
            boxes: `[K, 4]` the queries, in that scene's own pixels.
            gallery: G scenes of one padded size.
            wanted: `[K, G]` which scene to search for which query.

        Returns:
            By (query, scene) the result of each pair that is wanted.
        """
        count = len(gallery)
        queries = Scenes(query.features.expand(count, -1, -1, -1), [query.resized] * count, query.padded)
        sizes = [scene.resized for scene in gallery]
        scenes = Scenes(torch.cat([scene.features for scene in gallery]), sizes, gallery[0].padded)
        means = torch.cat([query.means.expand(count, -1), *(scene.means for scene in gallery)])
        features = self._through_stem([queries, scenes], means)
        queries, scenes = (
            side._replace(features=own) for side, own in zip((queries, scenes), features, strict=True)
        )
        results = {}
        for number, box in enumerate(resize_boxes(boxes, list(query.own), list(query.resized))):
            places = np.flatnonzero(wanted[number]).tolist()
            if places:
                found = self._search_for(box, queries.of(places), scenes.of(places))
                for place, (own, similarities) in zip(places, found, strict=True):
                    (detections,) = self.in_own_pixels([own], [sizes[place]], [gallery[place].own])
                    results[number, place] = PairResult(detections["boxes"], own.scores, similarities)
        return results

    def _search_for(
        self, query_box: Tensor, queries: Scenes, scenes: Scenes
    ) -> list[tuple[FoundPeople, Tensor]]:
        """Search gallery scenes for one query: by scene what is found, and its similarities `[N]`.

        Args:
            query_box: `[4]` in pixels of the resized query scene.
            queries: the query scene, once for each gallery scene; its features may differ.
            scenes: the gallery scenes.
        """
        boxes = [query_box[None]] * len(scenes.sizes)
        level, batch = {FEATURE_LEVEL: scenes.features}, scenes.without_pixels()
        guidance = self._guidance(queries.features, boxes, queries.sizes, scenes.features)
        proposals, _ = self.rpn(batch, level, guidance=guidance)
        found = self.found_at(batch, level, proposals)
        of_query = self.roi_features({FEATURE_LEVEL: queries.features}, boxes, list(queries.sizes))
        lengths = [len(people.boxes) for people in found]
        repeats = torch.tensor(lengths, device=of_query.device)
        similarities = self.compare(
            self.embed(of_query).repeat_interleave(repeats, dim=0), self.embed_found(batch, level, found)
        )
        return list(zip(found, torch.split(similarities, lengths), strict=True))

    def compare(self, queries: Tensor, embeddings: Tensor) -> Tensor:
        """Compare unit embeddings `[N, D]` of queries and people: `[N]`, the subnet's logits or cosines."""
        if self.similarity is None:
            return (queries * embeddings).sum(dim=1)
        logits: Tensor = self.similarity(queries, embeddings)
        return logits

    def run_heads(self, batch: ImageList, features: dict[str, Tensor], box: Tensor) -> None:
        """See `PersonSearchNetwork.run_heads`: here with the query's scene, and all that the query guides."""
        super().run_heads(batch, features, box)
        self._run(self._stages, batch.tensors)
        query = [box[None]]
        self._guidance(features[FEATURE_LEVEL], query, batch.image_sizes, features[FEATURE_LEVEL])
        self.embed(self.roi_features(features, query, batch.image_sizes))

    def _guidance(
        self, query_features: Tensor, boxes: list[Tensor], sizes: Sequence[Size], features: Tensor
    ) -> Tensor | None:
        """Return the anchors' logits `[B, A, h, w]` in view of one query box `[1, 4]` a pair; None if off."""
        if self.query_proposals is None:
            return None
        pooled = self.roi_heads.box_roi_pool({FEATURE_LEVEL: query_features}, boxes, list(sizes))
        guidance: Tensor = self.query_proposals(pooled.mean(dim=(2, 3)), features)
        return guidance

    def _through_stem(
        self, sides: list[Scenes], means: Tensor | None = None, *, with_itself: bool = False
    ) -> list[Tensor]:
        """Run the stem on query scenes and gallery scenes, which weight each other's channels.

        Args:
            sides: together, all query scenes and then as many gallery scenes. Scenes of one side go through
                the stem together.
            means: `[2 B, C]` where the features are those of `SceneStart`: the channels' means of all scenes.
                None where they are the images.
            with_itself: whether each scene is paired with itself instead.

        Returns:
            Of each side the stem's features `[B, C, H/16, W/16]`.
        """
        if not len(self.excitations):
            return [
                side.features if means is not None else self._run(self._stages, side.features)
                for side in sides
            ]
        for number, stage in enumerate(self._stages):
            if number or means is None:
                sides = [side._replace(features=self._run([stage], side.features)) for side in sides]
                means = torch.cat([scene_means(side) for side in sides])
            queries, galleries = (means, means) if with_itself else means.chunk(2)
            weights = self.excitations[number](queries, galleries).repeat(1 if with_itself else 2, 1, 1, 1)
            parts = torch.split(weights, [len(side.sizes) for side in sides])
            sides = [
                side._replace(features=side.features * part) for side, part in zip(sides, parts, strict=True)
            ]
        return [side.features for side in sides]

    def _run(self, stages: Sequence[Stage], features: Tensor) -> Tensor:
        for part in self.stem[stages[0].first : stages[-1].end]:
            features = part(features)
        return features


class _Queries(NamedTuple):
    """The queries of B pairs: by pair the box `[1, 4]`, the ids `[B]`, and the rows `[B]` of their boxes.

    There are no rows without a table by box.
    """

    boxes: list[Tensor]
    person_ids: Tensor
    box_rows: Tensor | None


def _queries_of(targets: list[Target]) -> _Queries:
    ids = [target["person_ids"][target[QUERY]] for target in targets]
    rows = [target[BOX_ROWS][target[QUERY]] for target in targets if BOX_ROWS in target]
    boxes = [target["boxes"][target[QUERY]] for target in targets]
    return _Queries(boxes, torch.cat(ids), torch.cat(rows) if rows else None)


def _same_person(ids: Tensor, others: Tensor) -> Tensor:
    """Return `[N]` whether ids are equal; nobody is the same as an unlabelled person."""
    return (ids == others) & (others != UNLABELLED)


def _boxes_of(person_ids: Tensor, truth: list[Target]) -> list[Target]:
    """Return for each gallery scene the boxes of the person to look for, of whom there may be none.

    Ignored boxes stay: the person may be there.
    """
    return [
        {
            "boxes": target["boxes"][_same_person(person_id, target["person_ids"])],
            **({IGNORED: target[IGNORED]} if IGNORED in target else {}),
        }
        for person_id, target in zip(person_ids, truth, strict=True)
    ]


def query_objectness_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of the query-guided RPN: binary cross-entropy, a mean over the sampled anchors.

    Args:
        logits: `[A]`.
        labels: `[A]` 1 where an anchor fits the box of the person to look for, else 0.

    Returns:
        A scalar; 0 where no anchor was sampled, since ignored boxes cover all scenes.
    """
    if not len(labels):
        return logits.sum()
    return functional.binary_cross_entropy_with_logits(logits, labels)


def similarity_loss(logits: Tensor, same: Tensor) -> Tensor:
    """Return the loss of the similarity subnet: binary cross-entropy, a mean over people.

    Args:
        logits: `[P]`.
        same: `[P]` bool, whether a person is the one to look for.

    Returns:
        A scalar, 0 where there is nobody.
    """
    loss = functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="sum")
    return loss / max(len(same), 1)


def scene_means(scenes: Scenes) -> Tensor:
    """Return the mean of each channel over each scene `[B, C]`, in float32; padding does not count."""
    height, width = scenes.features.shape[-2:]
    # A cell that shows any of the scene counts.
    shown = [
        (-(-own[0] * height // scenes.padded[0]), -(-own[1] * width // scenes.padded[1]))
        for own in scenes.sizes
    ]
    if len(set(shown)) == 1:
        rows, columns = shown[0]
        return scenes.features[:, :, :rows, :columns].mean(dim=(2, 3), dtype=torch.float32)
    return torch.stack(
        [
            own[:, :rows, :columns].mean(dim=(1, 2), dtype=torch.float32)
            for own, (rows, columns) in zip(scenes.features, shown, strict=True)
        ]
    )


@torch.no_grad()
def stages_of(stem: nn.Sequential) -> list[Stage]:
    """Return the stages of a stem: neighbouring parts whose features are of the same size.

    The first convolution is no stage of its own, as in a ResNet, whose first stage is conv1 and conv2_x.
    """
    trial = copy.deepcopy(stem).to("meta").eval()
    features = torch.empty(1, 3, TRIAL_SIDE, TRIAL_SIDE, device="meta")
    stages: list[Stage] = []
    for place, part in enumerate(trial):
        before, features = features.shape[-2:], part(features)
        goes_on = place == 1 or (place and features.shape[-2:] == before)
        stages.append(Stage(stages.pop().first if goes_on else place, place + 1, features.shape[1]))
    return stages
