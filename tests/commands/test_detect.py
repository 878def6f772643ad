"""`person-search detect` and `PersonSearcher`: who is in a picture."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands.main import main
from person_search.searcher import PersonSearcher
from pipeline.basics.errors import UserError


def detect(weights, *arguments):
    return CliRunner().invoke(main, ["detect", "--weights", str(weights), *map(str, arguments)])


def numbers(line):
    return [float(word) for word in line.split()]


def test_prints_a_numbered_line_a_person_and_draws_them(weights, pictures, tmp_path):
    paths = [pictures / "query.png", pictures / "gallery/a.png"]
    result = detect(weights, *paths, "--min-score", 0, "--out", tmp_path / "drawn")
    assert result.exit_code == 0, result.output
    searcher = PersonSearcher(weights)
    lines = iter(result.stdout.splitlines())
    for path in paths:
        people = searcher.detect(path)
        assert len(people) > 1
        assert next(lines) == f"{path}: {len(people)} people"
        assert next(lines).split() == ["person", "score", "x1", "y1", "x2", "y2"]
        for number, (score, box) in enumerate(zip(people.scores, people.boxes, strict=True), start=1):
            first, *rest = numbers(next(lines))
            assert first == number
            np.testing.assert_allclose(rest, [score, *box], atol=0.51)
        with Image.open(tmp_path / "drawn" / f"{path.stem}-people.jpg") as drawn:
            assert drawn.size == people.size


def test_json_is_cocos(weights, pictures):
    result = detect(weights, pictures / "query.png", "--json", "--min-score", 0)
    coco = json.loads(result.stdout)
    people = PersonSearcher(weights).detect(pictures / "query.png")
    np.testing.assert_allclose([own["score"] for own in coco["annotations"]], people.scores)
    np.testing.assert_allclose([own["embedding"] for own in coco["annotations"]], people.embeddings)
    assert coco["images"][0]["file_name"] == str(pictures / "query.png")


def test_a_picture_that_cannot_be_read_is_left_out_and_all_of_them_are_an_error(weights, pictures):
    broken = pictures / "broken.jpg"
    broken.write_bytes(b"no picture")
    result = detect(weights, broken, pictures / "query.png")
    assert result.exit_code == 0
    assert f"warning: {broken} is no picture" in result.stderr
    alone = detect(weights, broken)
    assert alone.exit_code == 2
    assert "none of the pictures could be searched" in alone.stderr


def test_pictures_of_one_name_do_not_overwrite_each_other(weights, pictures, tmp_path):
    (pictures / "other").mkdir()
    (pictures / "other/a.png").write_bytes((pictures / "query.png").read_bytes())
    result = detect(
        weights, pictures / "gallery/a.png", pictures / "other/a.png", "--out", tmp_path / "drawn"
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a-people-2.jpg", "a-people.jpg"]


def test_embedding_a_detected_box_is_that_of_the_detection(weights, pictures):
    searcher = PersonSearcher(weights)
    people = searcher.detect(pictures / "query.png")
    np.testing.assert_allclose(
        searcher.embed(pictures / "query.png", people.boxes), people.embeddings, atol=1e-5
    )


def test_an_array_is_searched_as_its_file_is(weights, pictures):
    searcher = PersonSearcher(weights)
    with Image.open(pictures / "query.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    own, of_file = searcher.detect(pixels), searcher.detect(pictures / "query.png")
    np.testing.assert_array_equal(own.boxes, of_file.boxes)
    np.testing.assert_array_equal(own.embeddings, of_file.embeddings)
    assert searcher.embed(pixels, np.zeros((0, 4))).shape == (0, 16)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_arrays_of_another_shape_are_refused(weights, shape):
    with pytest.raises(UserError, match=r"give uint8 \[h, w, 3\]"):
        PersonSearcher(weights).detect(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("box", [[200, 0, 220, 10], [5, 5, 5, 9], [0, 0, float("nan"), 9]])
def test_a_box_without_an_area_in_the_picture_is_refused(weights, pictures, box):
    with pytest.raises(UserError, match=r"no area within .*query\.png, 96 x 64 pixels"):
        PersonSearcher(weights).embed(pictures / "query.png", [box])


def test_the_users_own_picture_is_not_drawn_over(weights, pictures):
    for name in ("own.jpg", "own-people.jpg"):
        with Image.open(pictures / "query.png") as image:
            image.save(pictures / name)
    before = (pictures / "own.jpg").read_bytes(), (pictures / "own-people.jpg").read_bytes()
    for name in ("own.jpg", "own-people.jpg"):
        result = detect(weights, pictures / name, "--out", pictures)
        assert result.exit_code == 0, result.output
        assert (pictures / "own.jpg").read_bytes() == before[0]
    assert (pictures / "own-people-people.jpg").exists()
