"""SeqNet: two heads in sequence, the second of which embeds people norm-aware.

The first head is that of a Faster R-CNN. It turns the RPN's proposals into boxes. The second pools these
boxes anew, with a tail of its own, and gives the final box and the embedding (Li and Miao, AAAI 2021). The
norm of the embedding says whether somebody is there, its direction who (norm-aware embedding, NAE; Chen et
al., CVPR 2020). What is theirs and what is ours is in docs/method.md.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import clip_boxes_to_image

from pipeline.batches.ground_truth import PERSON
from pipeline.models.detector import DetectionStep, people_box_loss
from pipeline.models.normalisation import RowNormalisation
from pipeline.models.person_search import (
    FurtherLosses,
    PersonSearchNetwork,
    PersonSearchOptions,
    SearchStep,
)
from pipeline.models.post_processing import FoundPeople
from pipeline.models.region_proposals import check_float32

SECOND_NMS_THRESHOLD = 0.5
"""After the second head, two people are kept up to this overlap: SeqNet's. Its boxes fit better than those of
the first head, so that more of an overlap is real."""
FIRST_WEIGHTS = 0.01
"""Standard deviation of the first weights of the second head's box: SeqNet's."""


class SeqNet(PersonSearchNetwork):
    """A first head that refines proposals, and a second one that says where and who people are.

    The first head, and so all that a detector teacher looks at, is that of an OIM student. `embedding` is the
    second head's here.
    """

    own_embed_at = "proposal"

    def __init__(self, options: PersonSearchOptions) -> None:
        super().__init__(options)
        self.second_tail = copy.deepcopy(self.roi_heads.box_head)
        self.second_box = nn.Linear(self.tail_channels, 4)
        nn.init.normal_(self.second_box.weight, std=FIRST_WEIGHTS)
        nn.init.zeros_(self.second_box.bias)
        self.embedding_norm = RowNormalisation(options.embedding_dim)
        self.score_norm = RowNormalisation(1)

    @classmethod
    def further_losses(cls, options: PersonSearchOptions) -> tuple[str, ...]:  # noqa: ARG003
        """See `PersonSearchNetwork.further_losses`."""
        return ("second_class", "second_box")

    def compile_backbone(self) -> None:
        """Let PyTorch compile both tails as well; see `Detector.compile_backbone`."""
        super().compile_backbone()
        self.second_tail.compile(dynamic=True)

    def identity_features(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool boxes (in resized pixels) and run the second tail: `[R, C]`."""
        result: Tensor = self.second_tail(self.pooled(features, boxes, image_sizes))
        return result

    def embed(self, roi_features: Tensor) -> Tensor:
        """Map the second head's RoI features `[R, C]` to unit embeddings `[R, D]`, in float32."""
        return self.norm_aware(roi_features)[0]

    def norm_aware(self, roi_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit embeddings `[R, D]` and the logits `[R]` that somebody is there, in float32."""
        embeddings: Tensor = self.embedding_norm(self.embedding(roi_features).float())
        lengths: Tensor = embeddings.norm(dim=1, keepdim=True)
        return functional.normalize(embeddings, dim=1), self.score_norm(lengths)[:, 0]

    def second_deltas(self, roi_features: Tensor) -> Tensor:
        """Return the encoded boxes `[R, 4]` of the second head, in float32."""
        deltas: Tensor = self.second_box(self.mean_of_stripes(roi_features))
        return deltas.float()

    def people_step(self, detection: DetectionStep) -> SearchStep:
        """Run the second head on what the first made of its RoIs, and embed the people among them."""
        sampled = self.sample_boxes(self._refined(detection), detection.targets)
        roi_features = self.identity_features(detection.levels, sampled.boxes, detection.images.image_sizes)
        embeddings, logits = self.norm_aware(roi_features)
        deltas = self.second_deltas(roi_features)
        losses = {
            "second_class": norm_aware_loss(logits, sampled.labels),
            "second_box": people_box_loss(
                deltas, sampled.target_deltas, sampled.labels, self.options.roi.box_beta
            ),
        }
        people, count = sampled.labels == PERSON, len(sampled.labels)
        return SearchStep(
            detection,
            embeddings[people],
            sampled.person_ids[people],
            FurtherLosses(losses, dict.fromkeys(losses, count)),
            box_rows=None if sampled.box_rows is None else sampled.box_rows[people],
        )

    def found_at(
        self, batch: ImageList, features: dict[str, Tensor], proposals: list[Tensor]
    ) -> list[FoundPeople]:
        """Find people with the first head, and give them the boxes of the second.

        The scores stay those of the first head: SeqNet's First Classification Score.
        """
        first = super().found_at(batch, features, proposals)
        boxes = [people.boxes for people in first]
        roi_features = self.identity_features(features, boxes, batch.image_sizes)
        return self.kept_people(
            self._decoded(self.second_deltas(roi_features), boxes),
            torch.cat([people.scores for people in first]),
            boxes,
            roi_features,
            batch.image_sizes,
            max(SECOND_NMS_THRESHOLD, self.options.roi.nms_threshold),
        )

    def run_heads(self, batch: ImageList, features: dict[str, Tensor], box: Tensor) -> None:
        """See `PersonSearchNetwork.run_heads`: the second head has as many RoIs as there are detections."""
        self.roi_features(features, [box.expand(self.options.rpn.post_nms_test, 4)], batch.image_sizes)
        count = self.options.roi.detections_per_image * (2 if self.embed_at == "final_box" else 1)
        self.embed(self.identity_features(features, [box.expand(count, 4)], batch.image_sizes))

    def _refined(self, detection: DetectionStep) -> list[Tensor]:
        """Return the boxes that the first head makes of its RoIs, by image `[R_i, 4]`, without gradients."""
        rois = detection.rois
        boxes = self._decoded(rois.box_deltas.detach(), rois.boxes)
        parts = torch.split(boxes, [len(own) for own in rois.boxes])
        sizes = detection.images.image_sizes
        return [clip_boxes_to_image(own, list(size)) for own, size in zip(parts, sizes, strict=True)]

    def _decoded(self, deltas: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return `[R, 4]` what encoded boxes make of boxes, by image `[R_i, 4]`."""
        decoded: Tensor = self.roi_heads.box_coder.decode(deltas, boxes).reshape(-1, 4)
        return decoded


def norm_aware_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the binary cross-entropy of norm-aware scores (Chen et al., CVPR 2020, their detection loss).

    Args:
        logits: `[R]`; their sigmoid is the score.
        labels: `[R]` `PERSON` or 0.

    Returns:
        A scalar, the mean over RoIs; 0 where there is none.
    """
    check_float32(logits=logits)
    losses = functional.binary_cross_entropy_with_logits(logits, (labels == PERSON).float(), reduction="sum")
    return losses / max(len(labels), 1)
