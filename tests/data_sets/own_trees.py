"""Small data sets in the forms of people's own annotations: COCO JSON and Market-1501's layout."""

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
