"""Searching a user's own pictures: ranking, boxes, and pictures that cannot be searched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from person_search.finding import checked_box, find_in_pictures
from person_search.one_person import one_person
from person_search.searcher import PersonSearcher
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures import folders, reading
from pipeline.inference.own_pictures.reading import read_picture
from pipeline.models.backbones import BackboneOptions
from pipeline.models.detector import RoiOptions
from pipeline.models.person_search import PersonSearchNetwork, PersonSearchOptions
from pipeline.models.region_proposals import RegionProposalOptions
from pipeline.models.weight_files import save_weights

SIZE = (96, 64)
BOX = np.array([10.0, 8.0, 40.0, 60.0])
TURNED_LEFT = 8
"""The EXIF orientation of a picture that must be turned a quarter to the left."""
ORIENTATION = 0x0112


def write_picture(path, seed=0, **settings):
    values = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(path, **settings)
    return path


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    torch.manual_seed(0)
    options = PersonSearchOptions(
        backbone=BackboneOptions(name="tiny", width=0.5),
        short_side=64,
        long_side=96,
        rpn=RegionProposalOptions(anchor_sizes=[16, 32], post_nms_test=20),
        roi=RoiOptions(pooled_height=4, pooled_width=4),
        embedding_dim=16,
    )
    path = tmp_path_factory.mktemp("weights") / "student.safetensors"
    save_weights(path, "person_search", options, PersonSearchNetwork(options).state_dict())
    return PersonSearcher(path, torch.device("cpu"))


@pytest.fixture
def scenes(tmp_path):
    """Return a query picture and a folder of three others."""
    folder = tmp_path / "gallery"
    (folder / "below").mkdir(parents=True)
    write_picture(folder / "b.png", 1)
    write_picture(folder / "A.JPG", 2)
    write_picture(folder / "below" / "c.jpeg", 3)
    (folder / "notes.txt").write_text("no picture")
    return write_picture(tmp_path / "query.png"), folder


def pictures_in(places, query):
    return folders.pictures_in(places, query, lambda _line: None)


def find(searcher, query, gallery, threshold=0.0, box=BOX, warnings=None, guesses=None):
    return find_in_pictures(
        searcher.network,
        searcher.embed(query, box[None])[0],
        gallery,
        min_score=threshold,
        progress=lambda *_: None,
        passed_over=(warnings if warnings is not None else []).append,
        remarked=(guesses if guesses is not None else []).append,
    )


def test_ranks_what_the_network_finds_by_similarity(searcher, scenes):
    query, folder = scenes
    gallery = pictures_in([folder], query)
    hits = find(searcher, query, gallery)
    assert hits
    similarities = [hit.similarity for hit in hits]
    assert similarities == sorted(similarities, reverse=True)

    wanted = searcher.embed(query, BOX[None])[0]
    for path in gallery:
        found = searcher.detect(path)
        own = sorted((hit for hit in hits if hit.source == str(path)), key=lambda hit: -hit.score)
        assert len(own) == len(found)
        np.testing.assert_array_equal([hit.score for hit in own], found.scores)
        expected = sorted((found.embeddings @ wanted).tolist(), reverse=True)
        similarities = [hit.similarity for hit in hits if hit.source == str(path)]
        np.testing.assert_allclose(similarities, expected, atol=1e-6)


def test_threshold_leaves_out_the_unsure(searcher, scenes):
    query, folder = scenes
    gallery = pictures_in([folder], query)
    hits = find(searcher, query, gallery)
    middle = float(np.median([hit.score for hit in hits]))
    kept = find(searcher, query, gallery, middle)
    assert 0 < len(kept) < len(hits)
    assert [hit.similarity for hit in kept] == [hit.similarity for hit in hits if hit.score >= middle]


def test_boxes_and_similarities_are_in_range(searcher, scenes):
    query, folder = scenes
    for hit in find(searcher, query, pictures_in([folder], query)):
        assert min(hit.box) >= 0
        assert hit.box[2] <= SIZE[0]
        assert hit.box[3] <= SIZE[1]
        assert -1 - 1e-5 <= hit.similarity <= 1 + 1e-5


def test_the_same_box_of_the_same_picture_is_most_similar_to_itself(searcher, scenes, tmp_path):
    query, _ = scenes
    copy = write_picture(tmp_path / "copy.png")
    first = find(searcher, query, [copy])[0]
    again = find(searcher, query, [copy], box=np.array(first.box))
    assert again[0].similarity == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(again[0].box, first.box)


def test_pictures_are_turned_upright(tmp_path):
    upright = write_picture(tmp_path / "upright.png", 5)
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_LEFT
    with Image.open(upright) as image:
        image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "turned.png").pixels, read_picture(upright).pixels)


def test_grey_and_transparent_pictures_are_read(tmp_path):
    for mode in ("L", "RGBA", "P"):
        Image.new(mode, SIZE).save(tmp_path / f"{mode}.png")
        assert read_picture(tmp_path / f"{mode}.png").pixels.shape == (SIZE[1], SIZE[0], 3)


def test_folders_are_searched_below_and_in_order(scenes):
    query, folder = scenes
    names = [path.name for path in pictures_in([folder, folder / "b.png"], query)]
    assert names == ["A.JPG", "b.png", "c.jpeg"]


def test_the_query_is_not_looked_in(scenes):
    query, folder = scenes
    found = pictures_in([query.parent], folder / "b.png")
    assert folder / "b.png" not in found
    assert query in found
    with pytest.raises(UserError, match="nothing to look in"):
        pictures_in([query, Path(str(query.parent) + "/./query.png")], query)


def test_unusable_places(scenes, tmp_path):
    query, folder = scenes
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        pictures_in([tmp_path / "empty"], query)
    with pytest.raises(UserError, match="does not exist"):
        pictures_in([tmp_path / "nowhere"], query)
    with pytest.raises(UserError, match=r"notes\.txt is no picture"):
        pictures_in([folder / "notes.txt"], query)


def test_a_picture_cut_off_is_named_and_left_out(searcher, scenes, tmp_path):
    query, folder = scenes
    whole = write_picture(tmp_path / "whole.jpg", 7).read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole[: len(whole) // 2])
    others, warnings = pictures_in([folder], query), []
    found = find(searcher, query, [cut, *others], warnings=warnings)
    assert [hit.similarity for hit in found] == [hit.similarity for hit in find(searcher, query, others)]
    (warning,) = warnings
    assert "cut.jpg is no picture" in warning
    with pytest.raises(UserError, match=r"cut\.jpg is no picture"):
        find(searcher, cut, others)
    with pytest.raises(UserError, match="does not exist"):
        read_picture(tmp_path / "none.jpg")


def test_a_picture_without_height_in_the_networks_size_is_left_out(searcher, scenes, tmp_path):
    query, folder = scenes
    line = tmp_path / "line.png"
    Image.new("RGB", (3000, 1)).save(line)
    others, warnings = pictures_in([folder], query), []
    assert find(searcher, query, [line, *others], warnings=warnings)
    (warning,) = warnings
    assert warning.startswith(str(line))
    assert "too narrow to look for people in: 3000 x 1 pixels" in warning


def test_boxes_of_a_picture_made_smaller_are_in_its_own_pixels(searcher, scenes, tmp_path, monkeypatch):
    query, _ = scenes
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    with Image.open(write_picture(small, 4)) as image:
        image.resize((2 * SIZE[0], 2 * SIZE[1]), Image.Resampling.NEAREST).save(large)
    expected = find(searcher, query, [small])
    monkeypatch.setattr(reading, "KEPT_PIXELS", SIZE[0] * SIZE[1])
    found = find(searcher, query, [large])
    np.testing.assert_allclose(
        [hit.box for hit in found], [2 * np.array(hit.box) for hit in expected], rtol=1e-6
    )
    assert [hit.similarity for hit in found] == [hit.similarity for hit in expected]
    doubled = find(searcher, large, [small], box=2 * BOX)
    whole = find(searcher, small, [large])
    np.testing.assert_allclose(
        [hit.similarity for hit in doubled],
        [hit.similarity for hit in find(searcher, small, [small])],
        atol=1e-6,
    )
    assert whole


def test_progress_counts_pictures_left_out_too(searcher, scenes, tmp_path):
    query, folder = scenes
    (tmp_path / "bad.jpg").write_text("no picture")
    done = []
    find_in_pictures(
        searcher.network,
        searcher.embed(query, BOX[None])[0],
        [tmp_path / "bad.jpg", *pictures_in([folder], query), tmp_path / "bad.jpg"],
        min_score=0.0,
        progress=lambda *at: done.append(at),
        passed_over=lambda _why: None,
        remarked=lambda _how: None,
    )
    assert done == [(number, 5) for number in range(1, 6)]


def test_a_guess_is_said_of_the_gallery(searcher, scenes, tmp_path):
    values = np.random.default_rng(3).integers(0, 1000, (SIZE[1], SIZE[0]), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "dark.png")
    guesses = []
    find(searcher, tmp_path / "dark.png", [scenes[0], tmp_path / "dark.png"], guesses=guesses)
    assert len(guesses) == 1
    assert all("dark.png: its values reach only 999 of 65,535" in guess for guess in guesses)


def test_the_thinnest_pictures(searcher, scenes, tmp_path):
    for size in ((1, 1), (1, 40), (90, 1)):
        Image.new("RGB", size).save(tmp_path / "thin.png")
        warnings = []
        find(searcher, scenes[0], [tmp_path / "thin.png"], warnings=warnings)
        assert not warnings


def test_a_box_over_the_edge_is_cut():
    np.testing.assert_array_equal(checked_box(np.array([-5.0, 0, 50, 99]), SIZE, Path("q")), [0, 0, 50, 64])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([40, 8, 10, 60], "upper left"),
        ([10, 8, 40, 8], "upper left"),
        ([96, 0, 120, 60], "outside q, which is 96 x 64"),
        ([-9, -9, 0, 60], "outside"),
        ([np.nan, 0, 10, 10], "four numbers"),
        ([0, 0, np.inf, 10], "four numbers"),
    ],
)
def test_bad_boxes(box, message):
    with pytest.raises(UserError, match=message):
        checked_box(np.array(box, dtype=float), SIZE, Path("q"))


def test_several_queries_of_one_person_are_their_mean():
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    mean = one_person(rows)
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(mean, rows.sum(0) / np.linalg.norm(rows.sum(0)), atol=1e-6)
    np.testing.assert_allclose(one_person(rows[:1]), rows[0], atol=1e-6)
    with pytest.raises(UserError, match="cancel each other out"):
        one_person(np.stack([rows[0], -rows[0]]))
