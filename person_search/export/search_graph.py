"""A student's search without data-dependent Python: the module that is exported.

It runs the student's own trained parts. Boxes of all images are rows of one tensor, each with its image's
number, so that no loop over images is needed and no row is computed that nobody is in.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import roi_align

from person_search.export import operators
from person_search.networks.preprocessing import SIZE_DIVISIBLE
from pipeline.batches.ground_truth import PERSON
from pipeline.models.backbones import FEATURE_LEVEL, IMAGENET_MEAN, IMAGENET_STD
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.post_processing import SMALLEST_SIDE
from pipeline.models.seqnet import SECOND_NMS_THRESHOLD, SeqNet

NO_SCORE = -1.0
"""The score of a box that takes no part in a suppression."""
ANY_SCORE = -0.5
"""The threshold that all other scores are above."""
BITS = 255


class Rows(NamedTuple):
    """Boxes of all images, image by image.

    Attributes:
        images: `[R]` int64, each box's image.
        boxes: `[R, 4]` in pixels of the resized image.
    """

    images: Tensor
    boxes: Tensor


class Scenes(NamedTuple):
    """The stem's view of pictures of one size.

    Attributes:
        levels: the stem's features by level; see `Detector.stem_features`.
        resized: `[4]` width, height, width, height of the resized pictures, without padding.
        own: the same of the pictures themselves.
    """

    levels: dict[str, Tensor]
    resized: Tensor
    own: Tensor


class Found(NamedTuple):
    """Detections, image by image, by falling score; one RoI each.

    Attributes:
        rows: where they are.
        scores: `[N]` 0..1.
        roi_features: `[N, C]` of the RoIs that they were made from.
    """

    rows: Rows
    scores: Tensor
    roi_features: Tensor


class SearchGraph(nn.Module):
    """What `PersonSearchNetwork.search` computes, for pictures of one size.

    Args:
        network: an OIM student or a SeqNet, in evaluation mode.
    """

    cell_anchors: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, network: PersonSearchNetwork) -> None:
        super().__init__()
        self.network = network
        (cell,) = network.rpn.anchor_generator.cell_anchors
        self.register_buffer("cell_anchors", cell.float(), persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def scenes(self, pictures: Tensor) -> Scenes:
        """Run the stem on pictures `[B, h, w, 3]` uint8."""
        options = self.network.options
        pixels = (pictures.permute(0, 3, 1, 2).float() / BITS - self.mean) / self.std
        own = _width_and_height(torch.tensor([*pictures.shape[1:3]]))
        images, size = operators.fit(pixels, options.short_side, options.long_side)
        return Scenes(self.network.stem_features(images), _width_and_height(size), own)

    def found(self, scenes: Scenes) -> Found:
        """Find people; see `Detector.found_at`, and `SeqNet.found_at` for its second head."""
        options = self.network.options.roi
        proposals = self.proposals(scenes)
        roi_features = self.network.roi_heads.box_head(self.pooled(scenes, proposals))
        logits, deltas = self.network.predictions(roi_features)
        scores = functional.softmax(logits, dim=-1)[:, PERSON]
        boxes = self._decoded(deltas, proposals.boxes)
        first = Found(Rows(proposals.images, boxes), scores, roi_features)
        first = self._kept(scenes, first, options.nms_threshold)
        if not isinstance(self.network, SeqNet):
            return first
        roi_features = self._identity_features(scenes, first.rows)
        boxes = self._decoded(self.network.second_deltas(roi_features), first.rows.boxes)
        second = Found(Rows(first.rows.images, boxes), first.scores, roi_features)
        return self._kept(scenes, second, max(SECOND_NMS_THRESHOLD, options.nms_threshold))

    def embedded(self, scenes: Scenes, found: Found, own_boxes: Tensor) -> Tensor:
        """Embed detections, `[N, D]`; `own_boxes` `[N, 4]` are theirs in pixels of the pictures."""
        if self.network.embed_at == "proposal":
            return self.network.embed(found.roi_features)
        return self.embedded_at(scenes, Rows(found.rows.images, own_boxes))

    def embedded_at(self, scenes: Scenes, own: Rows) -> Tensor:
        """Embed boxes in pixels of the pictures themselves, `[R, D]`."""
        rows = Rows(own.images, own.boxes * (scenes.resized / scenes.own))
        return self.network.embed(self._identity_features(scenes, rows))

    def proposals(self, scenes: Scenes) -> Rows:
        """Return what the RPN proposes; see torchvision's `RegionProposalNetwork.filter_proposals`."""
        rpn, features = self.network.rpn, scenes.levels[FEATURE_LEVEL]
        count = features.shape[0]
        logits, deltas = concat_box_prediction_layers(*rpn.head([features]))
        logits = logits.reshape(count, -1)
        most = torch.sym_min(rpn.pre_nms_top_n(), logits.shape[1])
        highest, places = logits.topk(most, dim=1)
        deltas = deltas.reshape(count, -1, 4).gather(1, places[:, :, None].expand(-1, -1, 4))
        anchors = self._anchors(features)[places]
        boxes = rpn.box_coder.decode_single(deltas.reshape(-1, 4), anchors.reshape(-1, 4))
        boxes = _inside(boxes, scenes.resized)
        scores = torch.where(
            _larger(boxes, rpn.min_size), highest.sigmoid().flatten(), highest.new_tensor(NO_SCORE)
        )
        images = torch.arange(count)[:, None].expand(-1, most).flatten()
        kept = operators.strongest(
            boxes, _by_image(scores, images, count), ANY_SCORE, rpn.nms_thresh, rpn.post_nms_top_n()
        )
        return Rows(images[kept], boxes[kept])

    def pooled(self, scenes: Scenes, rows: Rows) -> Tensor:
        """Pool boxes as `Detector.pooled` does, `[R, C, h, w]`."""
        pool = self.network.roi_heads.box_roi_pool
        rois = torch.cat([rows.images.float()[:, None], rows.boxes], dim=1)
        pooled = roi_align(
            scenes.levels[pool.level], rois, pool.output_size, 1 / pool.stride, pool.sampling_ratio
        )
        return self.network.to_stem_end(pooled)

    def _identity_features(self, scenes: Scenes, rows: Rows) -> Tensor:
        network = self.network
        tail = network.second_tail if isinstance(network, SeqNet) else network.roi_heads.box_head
        result: Tensor = tail(self.pooled(scenes, rows))
        return result

    def _kept(self, scenes: Scenes, made: Found, nms_threshold: float) -> Found:
        """Keep the detections that count; see `pipeline.models.post_processing`."""
        options = self.network.options.roi
        boxes = _inside(made.rows.boxes, scenes.resized)
        scores = torch.where(_larger(boxes, SMALLEST_SIDE), made.scores, made.scores.new_tensor(NO_SCORE))
        by_image = _by_image(scores, made.rows.images, scenes.levels[FEATURE_LEVEL].shape[0])
        kept = operators.strongest(
            boxes, by_image, options.score_threshold, nms_threshold, options.detections_per_image
        )
        return Found(Rows(made.rows.images[kept], boxes[kept]), made.scores[kept], made.roi_features[kept])

    def _decoded(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        decoded: Tensor = self.network.roi_heads.box_coder.decode_single(deltas, boxes)
        return decoded

    def _anchors(self, features: Tensor) -> Tensor:
        """Return the anchors of one image, `[A, 4]`; see torchvision's `AnchorGenerator`."""
        down, across = (torch.arange(side) * SIZE_DIVISIBLE for side in features.shape[2:])
        y, x = torch.meshgrid(down, across, indexing="ij")
        corners = torch.stack([x, y, x, y], dim=-1).float()
        return (corners[:, :, None] + self.cell_anchors).reshape(-1, 4)


class OnePicture(SearchGraph):
    """The search in one picture; the second input are boxes to embed."""

    def forward(self, picture: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Find and embed people, and embed boxes that are given.

        Args:
            picture: `[h, w, 3]` uint8.
            boxes: `[K, 4]` float32 x1 y1 x2 y2, in pixels of the picture.

        Returns:
            Boxes `[N, 4]`, scores `[N]` falling, embeddings `[N, D]`, and those of the given boxes `[K, D]`.
        """
        scenes = self.scenes(picture[None])
        found = self.found(scenes)
        own = found.rows.boxes * (scenes.own / scenes.resized)
        given = Rows(torch.zeros(boxes.shape[0], dtype=torch.int64), boxes)
        return own, found.scores, self.embedded(scenes, found, own), self.embedded_at(scenes, given)


class PictureBatch(SearchGraph):
    """The search in pictures of one size; what is found is padded with zeros."""

    def forward(
        self, pictures: Tensor, boxes: Tensor, box_pictures: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Find and embed people, and embed boxes that are given.

        Args:
            pictures: `[B, h, w, 3]` uint8.
            boxes: `[K, 4]` float32 x1 y1 x2 y2, in pixels of the pictures.
            box_pictures: `[K]` int64, which picture each of them is in.

        Returns:
            Boxes `[B, M, 4]`, scores `[B, M]` falling, embeddings `[B, M, D]`, how many are no padding `[B]`
            int64, and the embeddings of the given boxes `[K, D]`. M is `detections_per_image`.
        """
        scenes = self.scenes(pictures)
        found = self.found(scenes)
        own = found.rows.boxes * (scenes.own / scenes.resized)
        images, count = found.rows.images, pictures.shape[0]
        of_image = images[None] == torch.arange(count)[:, None]
        counts = of_image.sum(dim=1)
        places = torch.arange(images.shape[0]) - (counts.cumsum(dim=0) - counts)[images]

        def padded(rows: Tensor) -> Tensor:
            most = self.network.options.roi.detections_per_image
            return rows.new_zeros(count, most, *rows.shape[1:]).index_put((images, places), rows)

        embeddings = self.embedded(scenes, found, own)
        given = self.embedded_at(scenes, Rows(box_pictures, boxes))
        return padded(own), padded(found.scores), padded(embeddings), counts, given


def _width_and_height(size: Tensor) -> Tensor:
    """Return width, height, width, height of (height, width), float32."""
    return size.flip(0).repeat(2).float()


def _inside(boxes: Tensor, size: Tensor) -> Tensor:
    """Clip boxes `[R, 4]` to an image of width, height, width, height."""
    return torch.minimum(boxes.clamp(min=0), size)


def _larger(boxes: Tensor, shortest: float) -> Tensor:
    """Return `[R]` whether no side of a box is shorter; see torchvision's `remove_small_boxes`."""
    return (boxes[:, 2] - boxes[:, 0] >= shortest) & (boxes[:, 3] - boxes[:, 1] >= shortest)


def _by_image(scores: Tensor, images: Tensor, count: int) -> Tensor:
    """Return scores `[B, R]`, a row an image, without those of other images' boxes."""
    of_image = images[None] == torch.arange(count)[:, None]
    return torch.where(of_image, scores[None], scores.new_tensor(NO_SCORE))
