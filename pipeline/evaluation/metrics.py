"""The content of a `metrics.json`: all metrics of one set of detections."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options
from pipeline.evaluation.cbgm import CUHK_SYSU_CBGM, PRW_CBGM, CbgmOptions
from pipeline.evaluation.coco import coco_average_precision
from pipeline.evaluation.detection import detection_metrics
from pipeline.evaluation.detections import Detections
from pipeline.evaluation.pairs import PairBoxes, check_whole, pair_boxes, search_pairs
from pipeline.evaluation.scene_boxes import (
    SceneBoxes,
    check_context,
    check_queries,
    detected_boxes,
    ground_truth_boxes,
    missing_scenes,
)
from pipeline.evaluation.search import Duplicates, search_metrics, search_queries
from pipeline.evaluation.whole_pixels import WHOLE_PIXEL_DATA_SETS, in_whole_pixels
from pipeline.scenes.scene import Galleries, Split

CROSS_CAMERA = "cross_camera"
COCO_IOUS = {"coco_ap50": 0.5, "coco_ap70": 0.7}
DETECTION_IOUS = {"0.5": 0.5, "0.7": 0.7}
"""The IoUs of the field's detection metrics under `detection_by_iou`."""
DETECTION_IOU = "0.5"
"""The one of `detection`, as in the papers' tables."""
SEARCH_KEYS = ("mAP", "top1", "top5", "top10")
SearchProgress = Callable[[str, int, int], None]
"""Called with what is searched, the number of queries done, and the number of all queries."""


def _as_sizes(value: Any) -> Any:
    """Accept a list of numbers and names, as YAML and a command line give them."""
    if isinstance(value, list | tuple) and all(type(size) in (int, str) for size in value):
        return tuple(str(size) for size in value)
    return value


class EvaluationOptions(Options):
    """How detections are scored.

    Attributes:
        detection_threshold: the field's detection metrics use boxes with score >= this; COCO's use all boxes.
        search_threshold: searches use boxes with score >= this; 0.5 in the papers' tables.
        cbgm: whether to re-score as SeqNet does; `true` uses SeqNet's `k1` and `k2` for the data set.
        cross_camera: whether `search` leaves out the scenes of the query's own camera.
        duplicates: whether an image that a gallery lists twice is scored `once`, as in SeqNet, or twice
            (`original`), as in OIM.
        gallery_sizes: the galleries under `search_by_gallery`; None for all that the data set has.
    """

    detection_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    search_threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    cbgm: bool | CbgmOptions = False
    cross_camera: bool = False
    duplicates: Duplicates = "once"
    gallery_sizes: Annotated[tuple[str, ...] | None, BeforeValidator(_as_sizes)] = None


def evaluate(
    split: Split,
    detections: Detections,
    options: EvaluationOptions,
    dataset: str,
    progress: SearchProgress | None = None,
    *,
    threads: int = 1,
) -> dict[str, Any]:
    """Return all metrics of one set of detections, as fractions.

    Args:
        split: scenes, queries and galleries.
        detections: a model's boxes and features on these scenes.
        options: thresholds and protocol variants.
        dataset: name of the data set. It decides CBGM's defaults, and whether ground truth is cut to whole
            pixels.
        progress: called after each query.
        threads: how many search, 1 or more. The metrics are the same for any number.

    Returns:
        `search`, `search_by_gallery`, `search_cross_camera` (None without cameras, or where no query has a
        match in another camera), `detection`, `detection_by_iou`, `protocol`, and
        `search_ground_truth_boxes` (None without features at the ground-truth boxes). Where detections have
        pairs, the first three are of these, and galleries that lack a pair are left out.

    Raises:
        UserError: the detections are of other images or queries, the data set lacks a wanted gallery, or the
            detections lack the context that CBGM needs, or a pair of the default gallery or a wanted one.
    """
    whole_pixels = dataset in WHOLE_PIXEL_DATA_SETS
    if whole_pixels:
        split = in_whole_pixels(split)
    check_queries(split, detections)
    cbgm = _cbgm_of(options.cbgm, dataset)
    if cbgm is not None:
        check_context(split, detections)
    sizes = _gallery_sizes(split, options.gallery_sizes)
    default = _default_gallery(split, options.cross_camera)
    names = [name for name in dict.fromkeys([*sizes, default, CROSS_CAMERA]) if name in split.galleries]
    found = detected_boxes(split, detections)
    searched: SceneBoxes | PairBoxes = found.above(options.search_threshold)
    missing: dict[str, int] = {}
    if detections.has_pairs:
        searched = pair_boxes(split, detections, options.search_threshold)
        missing = searched.missing(split, _galleries(split, names))
        check_whole(missing, [default, *(options.gallery_sizes or ())])
    whole = [name for name in names if not missing.get(name)]

    def search(what: str, names: list[str], boxes: SceneBoxes | PairBoxes) -> dict[str, dict[str, float]]:
        told = (lambda done, total: progress(what, done, total)) if progress else None
        chosen, duplicates = _galleries(split, names), options.duplicates
        if isinstance(boxes, PairBoxes):
            return search_metrics(search_pairs(split, chosen, boxes, duplicates=duplicates, progress=told))
        results = search_queries(
            split,
            chosen,
            boxes,
            detections,
            duplicates=duplicates,
            cbgm=cbgm,
            threads=threads,
            progress=told,
        )
        return search_metrics(results)

    reached = search("detections", whole, searched)
    upper = None
    if detections.has_ground_truth_feats:
        upper = _public(search("ground truth", [default], ground_truth_boxes(split, detections))[default])
    return {
        "search": _public(reached[default]),
        "search_by_gallery": {size: _public(reached[size]) for size in sizes if size in reached},
        "search_cross_camera": _across_cameras(reached, len(split.queries)),
        "search_ground_truth_boxes": upper,
        **_detection(split, found.without_feats(), options.detection_threshold),
        "protocol": {
            "dataset": dataset,
            "split": split.name,
            "gallery": default,
            "detection_threshold": options.detection_threshold,
            "search_threshold": options.search_threshold,
            "ground_truth_in_whole_pixels": whole_pixels,
            "duplicates": options.duplicates,
            "cbgm": cbgm.model_dump() if cbgm else None,
            **({"query_guided": True} if detections.has_pairs else {}),
            "counts": {
                "scenes": len(split.scenes),
                "scenes_without_entry": missing_scenes(split, detections),
                "queries": len(split.queries),
                "queries_without_match": {
                    name: int(search["queries_without_match"]) for name, search in reached.items()
                },
                "ground_truth_boxes": sum(len(scene.boxes) for scene in split.scenes),
                "detections": len(found.scores),
                **_searched_counts(searched, missing),
            },
        },
    }


def _searched_counts(searched: SceneBoxes | PairBoxes, missing: Mapping[str, int]) -> dict[str, Any]:
    """Return what `counts` says of the boxes that are searched."""
    if isinstance(searched, SceneBoxes):
        return {"detections_searched": len(searched.scores)}
    return {
        "detections_searched": searched.searched(),
        "pairs": len(searched.scene),
        "pairs_missing": {name: number for name, number in missing.items() if number},
    }


def _detection(split: Split, found: SceneBoxes, threshold: float) -> dict[str, Any]:
    """Return `detection` and `detection_by_iou`."""
    coco = coco_average_precision(split.scenes, found, COCO_IOUS.values())
    by_iou = {
        name: detection_metrics(split.scenes, found, threshold, iou) for name, iou in DETECTION_IOUS.items()
    }
    return {
        "detection": by_iou[DETECTION_IOU] | dict(zip(COCO_IOUS, coco, strict=True)),
        "detection_by_iou": {
            name: {key: reached[key] for key in ("ap", "recall")} for name, reached in by_iou.items()
        },
    }


def _across_cameras(reached: Mapping[str, Mapping[str, float]], queries: int) -> dict[str, float] | None:
    """Return what searches of other cameras reach; None where there is nobody to be found there."""
    across = reached.get(CROSS_CAMERA)
    if across is None or across["queries_without_match"] == queries:
        return None
    return _public(across)


def _public(reached: Mapping[str, float]) -> dict[str, float]:
    return {key: reached[key] for key in SEARCH_KEYS}


def _galleries(split: Split, names: list[str]) -> dict[str, Galleries]:
    return {name: split.galleries[name] for name in names}


def _default_gallery(split: Split, cross_camera: bool) -> str:
    name = CROSS_CAMERA if cross_camera else split.default_gallery
    if name not in split.galleries:
        what = "cameras to tell apart" if cross_camera else "galleries to search"
        raise UserError(f"the data set's {split.name} split has no {what}")
    return name


def _gallery_sizes(split: Split, wanted: tuple[str, ...] | None) -> list[str]:
    """Return the galleries to report, by size, `full` last."""
    known = sorted(
        (name for name in split.galleries if name != CROSS_CAMERA),
        key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name),
    )
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise UserError(f"no gallery of size {unknown[0]!r}; the data set has {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


def _cbgm_of(wanted: bool | CbgmOptions, dataset: str) -> CbgmOptions | None:
    """Return CBGM's options, by default SeqNet's for the data set; None where CBGM is off."""
    if wanted is False:
        return None
    if isinstance(wanted, CbgmOptions):
        return wanted
    return PRW_CBGM if dataset.startswith("prw") else CUHK_SYSU_CBGM
