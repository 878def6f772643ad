"""The annotations of a folder of frames as COCO has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from person_search.annotating.journal import AnnotatedFrame
from person_search.people import PERSON


def annotations_of(
    frames: Sequence[AnnotatedFrame], score: float, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of a COCO file, plain values for JSON.

    A detection below `score` has `ignore: 1`: it is taken neither for a person nor for background.

    Args:
        frames: in the order in which they are to stand.
        score: from which a detection is a person, 0..1.
        about: what stands under `info`.

    Returns:
        `info`, `images` (with `camera` and `time` where they are known, and `source` and `frame`: the file
        that each is from, as it was given, and its number there), `annotations` (`bbox` is x, y, width,
        height; `score` and `ignore` are beside what COCO names) and `categories`, of which there is one. Ids
        count from 1.
    """
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, frame in enumerate(frames, start=1):
        width, height = frame.size
        image = {"id": number, "file_name": frame.name, "width": width, "height": height}
        known = {"camera": frame.camera, "time": frame.time}
        image |= {name: value for name, value in known.items() if value is not None}
        images.append(image | {"source": frame.source, "frame": frame.frame})
        for (x1, y1, x2, y2), sure in zip(frame.boxes, frame.scores, strict=True):
            box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": PERSON,
                    "bbox": box,
                    "area": round(box[2] * box[3], 2),
                    "iscrowd": 0,
                    "ignore": int(sure < score),
                    "score": sure,
                }
            )
    categories = [{"id": PERSON, "name": "person"}]
    return {"info": dict(about), "images": images, "annotations": annotations, "categories": categories}
