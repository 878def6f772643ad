"""The people of a picture, as other programs take them."""

import json

import numpy as np
import pytest

from person_search.extras import needed
from person_search.people import People, to_coco
from pipeline.basics.errors import UserError

SOME = People(
    "a street.jpg",
    (640, 480),
    np.array([[10, 20, 40, 100], [300, 5, 330.5, 90]], dtype=np.float32),
    np.array([0.9, 0.4], dtype=np.float32),
    np.array([[0.6, 0.8], [1, 0]], dtype=np.float32),
)
NOBODY = People("empty.jpg", (64, 48), *(np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, 2))))


def test_above_keeps_equal_scores_and_all_columns():
    kept = SOME.above(float(SOME.scores[0]))
    assert len(kept) == 1
    np.testing.assert_array_equal(kept.embeddings, SOME.embeddings[:1])
    np.testing.assert_array_equal(kept.boxes, SOME.boxes[:1])
    assert len(SOME.above(0.0)) == 2


@pytest.mark.parametrize("people", [SOME, NOBODY])
def test_supervision_has_boxes_scores_and_embeddings(people):
    detections = people.to_supervision()
    assert len(detections) == len(people)
    np.testing.assert_array_equal(detections.xyxy, people.boxes)
    np.testing.assert_array_equal(detections.confidence, people.scores)
    np.testing.assert_array_equal(detections.data["embedding"], people.embeddings)


@pytest.mark.parametrize("people", [SOME, NOBODY])
def test_pandas_has_a_line_a_person(people):
    table = people.to_pandas()
    assert list(table.columns) == ["source", "x1", "y1", "x2", "y2", "score", "embedding"]
    assert len(table) == len(people)
    np.testing.assert_array_equal(table[["x1", "y1", "x2", "y2"]].to_numpy(np.float32), people.boxes)
    assert all(
        np.array_equal(row, own) for row, own in zip(table["embedding"], people.embeddings, strict=True)
    )


def test_coco_counts_over_all_pictures():
    coco = json.loads(json.dumps(to_coco([NOBODY, SOME, SOME])))
    assert [image["id"] for image in coco["images"]] == [1, 2, 3]
    assert [own["id"] for own in coco["annotations"]] == [1, 2, 3, 4]
    assert [own["image_id"] for own in coco["annotations"]] == [2, 2, 3, 3]
    assert coco["annotations"][1]["bbox"] == [300, 5, 30.5, 85]
    assert coco["annotations"][0]["area"] == 30 * 80
    assert coco["annotations"][0]["embedding"] == pytest.approx([0.6, 0.8])


def test_a_missing_package_is_named_with_how_to_install_it():
    with pytest.raises(UserError, match=r"no_such_package is not installed, which this needs: pip install x"):
        needed("no_such_package.part", "pip install x")
