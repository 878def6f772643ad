"""Small data sets in the forms of people's own annotations: COCO JSON, MOTChallenge's, Market-1501's."""

import json
from pathlib import Path
from typing import Any

from tests.data_sets.trees import SIZE, jpeg

PERSON = [{"id": 1, "name": "person"}]


def image(number: Any, name: str = "", **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name or f"{number}.jpg", "width": SIZE[0], "height": SIZE[1], **more}


def person(number: Any, image_id: Any, box: Any = (10, 10, 20, 40), **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image_id, "category_id": 1, "bbox": list(box), "iscrowd": 0, **more}


def write_coco(
    root: Path, images: list, annotations: list, categories: list = PERSON, name: str = "annotations.json"
):
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "images").mkdir(exist_ok=True)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(json.dumps(content))
    for entry in images:
        path = root / "images" / str(entry.get("file_name"))
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(jpeg())
    return root


CROP = jpeg((24, 48))


def market(root: Path, **names: list[str]) -> Path:
    held = {
        "bounding_box_train": ["0002_c1s1_000451_03.jpg", "0002_c2s1_000001_01.jpg", "0007_c12s1_1_1.jpg"],
        "bounding_box_test": ["0001_c1s1_1_1.jpg", "0000_c1s1_2_1.jpg", "-1_c1s1_3_1.jpg", "Thumbs.db"],
        "query": ["0001_c3s1_1_0.jpg"],
    }
    for folder, files in (held | names).items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in files:
            (root / folder / name).write_bytes(CROP)
    return root


def small_coco(root: Path) -> Path:
    """Write six pictures of two people each, from two cameras."""
    root.mkdir()
    images = [image(number, camera=number % 2) for number in range(6)]
    boxes = [(number, side) for number in range(6) for side in (0, 1)]
    annotations = [
        person(place, number, (10 + 50 * side, 10, 20, 40), person_id=(number + side) % 3, iscrowd=0)
        for place, (number, side) in enumerate(boxes)
    ]
    return write_coco(root, images, annotations)


INFO = "[Sequence]\nname=x\nimDir=img1\nframeRate=2\nseqLength=6\nimWidth=120\nimHeight=100\nimExt=.jpg\n"
PICTURE = jpeg()


def sequence(
    folder: Path, lines: list[str], frames: range | list[int] = range(1, 7), info: str | None = INFO
) -> Path:
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    for frame in frames:
        (folder / "img1" / f"{frame:06d}.jpg").write_bytes(PICTURE)
    (folder / "gt/gt.txt").write_text("\n".join(lines) + "\n")
    if info is not None:
        (folder / "seqinfo.ini").write_text(info)
    return folder


def small_mot(root: Path) -> Path:
    """Write two sequences of twelve frames, with people and what is ignored."""
    for name in ("A", "B"):
        tracks = [(frame, track) for frame in range(1, 13) for track in range(1, 4)]
        lines = [
            f"{frame},{track},{track * 25},10,20,40,1,{(1, 1, 8)[track - 1]},0.9" for frame, track in tracks
        ]
        sequence(root / name, lines, range(1, 13))
    return root
