"""The synthetic data set: the same bytes in any order, visible people, sound galleries."""

import io
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from pipeline.basics.errors import UserError
from pipeline.datasets.synthetic.casting import UNKNOWN, cast_scenes
from pipeline.datasets.synthetic.data_set import SPLITS, Synthetic
from pipeline.datasets.synthetic.drawing.appearance import (
    ATTRIBUTES,
    BASE_DISTANCE,
    VOCABULARY,
    Appearance,
    differing_attributes,
    draw_appearance,
    draw_bases,
    draw_family,
)
from pipeline.datasets.synthetic.drawing.body import Stand, mannequin_parts, person_parts
from pipeline.datasets.synthetic.drawing.camera import view_of
from pipeline.datasets.synthetic.drawing.painter import Light, paint, silhouette
from pipeline.datasets.synthetic.drawing.palette import COLOURS, MANNEQUIN_COLOURS, kind_and_colour
from pipeline.datasets.synthetic.drawing.pose import draw_pose
from pipeline.datasets.synthetic.drawing.shapes import bounds
from pipeline.datasets.synthetic.drawing.sketch import Sketch
from pipeline.datasets.synthetic.drawing.stage import Stage
from pipeline.datasets.synthetic.drawing.street import PLACES, Place
from pipeline.datasets.synthetic.drawing.things import THINGS
from pipeline.datasets.synthetic.options import SyntheticOptions
from pipeline.scenes.scene import UNLABELLED, Split

SMALL = SyntheticOptions(
    image_height=96,
    image_width=144,
    train_identities=8,
    validation_identities=4,
    test_identities=12,
    appearances=4,
    train_unlabelled=6,
    validation_unlabelled=6,
    test_unlabelled=12,
    gallery_sizes=(4, 8, 500),
    default_gallery=8,
)


@pytest.fixture(scope="module")
def data() -> Synthetic:
    return Synthetic(SMALL)


def _changed(**changes: object) -> SyntheticOptions:
    return SyntheticOptions.model_validate({**SMALL.model_dump(), **changes})


def _image(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


# Determinism


def test_same_options_give_the_same_bytes_in_any_order(data: Synthetic) -> None:
    forward = [data.image_bytes("test", index) for index in range(4)]
    again = Synthetic(SMALL)
    backward = [again.image_bytes("test", index) for index in reversed(range(4))]
    assert forward == backward[::-1]
    assert len(set(forward)) == len(forward)


def test_drawing_before_or_after_the_annotations_makes_no_difference(data: Synthetic) -> None:
    data.splits()
    fresh = Synthetic(SMALL)
    assert fresh.image_bytes("val", 2) == data.image_bytes("val", 2)
    np.testing.assert_array_equal(fresh.splits()["val"].scenes[2].boxes, data.splits()["val"].scenes[2].boxes)


def test_another_seed_gives_another_data_set(data: Synthetic) -> None:
    other = Synthetic(_changed(seed=1))
    assert other.image_bytes("train", 0) != data.image_bytes("train", 0)
    assert other.appearances("train") != data.appearances("train")


def test_splits_do_not_share_pictures(data: Synthetic) -> None:
    assert len({data.image_bytes(split, 0) for split in SPLITS}) == len(SPLITS)


# Scenes


def test_pictures_have_the_asked_size(data: Synthetic) -> None:
    for split in SPLITS:
        image = _image(data.image_bytes(split, 1))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (144, 96))


@pytest.mark.parametrize("split", SPLITS)
def test_every_identity_stands_in_the_asked_number_of_different_scenes(data: Synthetic, split: str) -> None:
    found = data.splits()[split]
    scenes = [set(scene.person_ids.tolist()) - {UNLABELLED} for scene in found.scenes]
    for person in range(len(found.identities)):
        assert sum(person in people for people in scenes) == SMALL.appearances
    for scene in found.scenes:
        labelled = scene.person_ids[scene.person_ids != UNLABELLED]
        assert len(labelled) == len(set(labelled.tolist()))
        assert labelled.size == 0 or labelled.max() < len(found.identities)
        assert scene.person_ids.min() >= UNLABELLED


def test_counts_are_the_asked_ones(data: Synthetic) -> None:
    identities = [len(data.splits()[split].identities) for split in SPLITS]
    assert identities == [8, 4, 12]
    for split, unlabelled in zip(SPLITS, (6, 6, 12), strict=True):
        scenes = data.splits()[split].scenes
        assert sum(int((scene.person_ids == UNLABELLED).sum()) for scene in scenes) == unlabelled


@pytest.mark.parametrize("split", SPLITS)
def test_scenes_are_well_formed(data: Synthetic, split: str) -> None:
    found = data.splits()[split]
    assert len({scene.name for scene in found.scenes}) == len(found.scenes)
    assert found.scenes[0].name == f"{split}_000000.jpg"
    for scene in found.scenes:
        assert scene.boxes.shape == (len(scene.person_ids), 4) and scene.boxes.dtype == np.float64
        assert (scene.boxes[:, 2:] > scene.boxes[:, :2]).all()
        assert (scene.boxes >= 0).all() and (scene.boxes <= [144, 96, 144, 96]).all()
        assert SMALL.people_per_scene[0] <= len(scene.boxes) <= SMALL.people_per_scene[1]
        assert 0 <= scene.camera < SMALL.cameras


def test_every_camera_takes_its_share(data: Synthetic) -> None:
    cameras = Synthetic(_changed(cameras=2)).splits()["test"].cameras
    shares = np.bincount(cameras, minlength=2)
    assert shares.max() - shares.min() <= 1


def test_people_differ_between_splits_and_from_strangers(data: Synthetic) -> None:
    people = [person for split in SPLITS for person in data.appearances(split)]
    assert len(set(people)) == len(people)
    for first, second in combinations(SPLITS, 2):
        for person in data.appearances(first):
            # Each member is one attribute away from its family's base.
            assert all(
                len(differing_attributes(person, other)) >= BASE_DISTANCE - 2
                for other in data.appearances(second)
            )


def test_people_in_a_picture_are_visible_and_boxed() -> None:
    plain = Synthetic(_changed(image_height=192, image_width=288, distractors=(0, 0), mannequin_fraction=0.0))
    scene = plain.splits()["train"].scenes[0]
    picture = np.asarray(_image(plain.image_bytes("train", 0)), dtype=np.float64)
    for x1, y1, x2, y2 in scene.boxes.astype(int):
        # Cloth, skin and hair vary more within a person's box than nothing at all would.
        assert picture[y1:y2, x1:x2].std(axis=(0, 1)).max() > 8.0


@pytest.mark.parametrize("min_visible", [0.35, 0.8])
def test_everybody_is_visible_enough(min_visible: float) -> None:
    data = Synthetic(_changed(image_height=192, image_width=288, min_visible=min_visible))
    wide, margin = (500, 400), 100.0
    inside = np.zeros((400, 500), dtype=bool)
    inside[100:292, 100:388] = True
    for index in range(4):
        plan = data._plan("train", index)
        everything = [(actor.stand.y, actor.parts) for actor in plan.people]
        everything += [(prop.ground, prop.parts) for prop in plan.props]
        for actor in plan.people:
            whole = silhouette(actor.parts, *wide, 1.0, margin)
            seen = whole & inside
            for ground, parts in everything:
                if ground > actor.stand.y:
                    seen &= ~silhouette(parts, *wide, 1.0, margin)
            # The plan counts on cells of 3 x 3 pixels, so it is a little off.
            assert seen.sum() / whole.sum() >= min_visible - 0.06


# Families


@given(seed=st.integers(0, 2**32), size=st.integers(1, len(ATTRIBUTES)))
@settings(max_examples=60, deadline=None)
def test_members_of_a_family_differ_by_exactly_two_attributes(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    base = draw_appearance(generator)
    family = draw_family(generator, base, size)
    assert len(family) == size
    for first, second in combinations(family, 2):
        assert len(differing_attributes(first, second)) == 2
    for member in family:
        assert len(differing_attributes(member, base)) == 1
        assert all(getattr(member, name) in VOCABULARY[name] for name in ATTRIBUTES)


def test_families_of_a_data_set(data: Synthetic) -> None:
    people = data.appearances("test")
    for start in range(0, len(people), SMALL.family_size):
        for first, second in combinations(people[start : start + SMALL.family_size], 2):
            assert len(differing_attributes(first, second)) == 2


def test_bases_are_far_apart() -> None:
    bases = draw_bases(np.random.default_rng(0), 60)
    assert min(len(differing_attributes(a, b)) for a, b in combinations(bases, 2)) >= BASE_DISTANCE


def test_more_families_than_there_is_room_for_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.synthetic.drawing.appearance.BASE_DISTANCE", len(ATTRIBUTES))
    with pytest.raises(UserError, match="cannot tell 9 families apart"):
        draw_bases(np.random.default_rng(0), 9)


# Galleries


def _check_gallery(split: Split, name: str) -> list[set[int]]:
    galleries = split.galleries[name]
    assert len(galleries) == len(split.queries)
    searched = []
    for index, query in enumerate(split.queries):
        gallery = galleries.of_query(index, query.scene, split.cameras)
        scenes = gallery.scenes.tolist()
        assert len(set(scenes)) == len(scenes) and query.scene not in scenes
        holds = {i for i, scene in enumerate(split.scenes) if query.person_id in scene.person_ids}
        assert {scenes[position] for position in gallery.positives} == holds - {query.scene}
        for position, box in zip(gallery.positives, gallery.boxes, strict=True):
            scene = split.scenes[scenes[position]]
            np.testing.assert_array_equal(scene.boxes[scene.person_ids == query.person_id], [box])
        searched.append(set(scenes))
    return searched


@pytest.mark.parametrize("split", ["val", "test"])
def test_galleries_hold_every_positive_and_never_the_query(data: Synthetic, split: str) -> None:
    found = data.splits()[split]
    searched = {name: _check_gallery(found, name) for name in found.galleries}
    others = len(found.scenes) - 1
    assert all(len(scenes) == others for scenes in searched.pop("full"))
    sizes = sorted(searched, key=int)
    for size in sizes:
        assert all(len(scenes) == int(size) for scenes in searched[size])
    for smaller, larger in pairwise(sizes):
        assert all(a < b for a, b in zip(searched[smaller], searched[larger], strict=True))


def test_galleries_that_do_not_fit_are_left_out(data: Synthetic) -> None:
    test, val = data.splits()["test"], data.splits()["val"]
    assert list(test.galleries) == ["4", "8", "full"] and test.default_gallery == "8"
    assert len(val.scenes) == 5 and list(val.galleries) == ["4", "full"] and val.default_gallery == "4"
    assert not data.splits()["train"].queries and data.splits()["train"].default_gallery == ""


def test_one_query_an_identity_at_its_box(data: Synthetic) -> None:
    found = data.splits()["test"]
    assert [query.person_id for query in found.queries] == list(range(12))
    for query in found.queries:
        scene = found.scenes[query.scene]
        np.testing.assert_array_equal(scene.boxes[scene.person_ids == query.person_id], [query.box])


def test_default_sizes() -> None:
    options = SyntheticOptions()
    casts = Synthetic(options)._casts
    assert {split: len(scenes) for split, scenes in casts.items()} == {"train": 258, "val": 117, "test": 350}
    assert options.test_identities >= 300


# People and things


@given(seed=st.integers(0, 2**32), height=st.floats(20, 130))
@settings(max_examples=40, deadline=None)
def test_box_is_tight_around_the_whole_figure(seed: int, height: float) -> None:
    generator = np.random.default_rng(seed)
    parts = person_parts(draw_appearance(generator), draw_pose(generator), Stand(150.0, 200.0, height, 0.15))
    rows, columns = np.nonzero(silhouette(parts, 300, 260))
    drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert np.abs(bounds(parts) - drawn).max() <= 1.5
    x1, y1, x2, y2 = bounds(parts)
    assert 0.9 * height < y2 - y1 < 1.25 * height and 0.1 * height < x2 - x1 < height


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_shows(attribute: str) -> None:
    plainest = {name: next(iter(words)) for name, words in VOCABULARY.items()}
    pose, stand = draw_pose(np.random.default_rng(4)), Stand(60.0, 140.0, 124.0, 0.15)
    light = Light(0.5, 0.5, (180, 180, 180), 0.0)
    pictures = set()
    for word in VOCABULARY[attribute]:
        canvas = Image.new("RGB", (120, 160), (128, 128, 128))
        paint(canvas, person_parts(Appearance(**{**plainest, attribute: word}), pose, stand), light)
        pictures.add(canvas.tobytes())
    assert len(pictures) == len(VOCABULARY[attribute])


def test_every_colour_word_has_a_colour() -> None:
    for attribute in ("headwear", "bag"):
        for words in VOCABULARY[attribute]:
            assert words == "none" or kind_and_colour(words)[1] in COLOURS
    for attribute in ("top_colour", "bottom_colour", "shoes"):
        assert set(VOCABULARY[attribute]) <= set(COLOURS)


def test_a_mannequin_has_one_colour() -> None:
    generator = np.random.default_rng(0)
    colour = MANNEQUIN_COLOURS[0]
    stand = Stand(60.0, 140.0, 100.0, 0.15)
    parts = mannequin_parts(draw_appearance(generator), colour, draw_pose(generator), stand)
    ratios = [np.array(part.colour) / colour for part in parts[2:]]
    assert all(np.ptp(ratio) < 0.05 for ratio in ratios), "shades of one colour"
    assert all(part.cloth is None for part in parts)


@pytest.mark.parametrize("kind", THINGS)
def test_things_stand_on_their_place(kind: str) -> None:
    x1, y1, x2, y2 = bounds(THINGS[kind](np.random.default_rng(0), 100.0, 150.0, 30.0))
    assert x1 < 100 < x2 and y1 < 150 and abs(y2 - 150) < 5


@pytest.mark.parametrize("place", PLACES)
def test_places_draw_whatever_the_dice_say(place: Place) -> None:
    view = view_of(1, 72, 48, (0.23, 0.645))
    for seed in range(100):
        sketch = Sketch(view.width, view.height)
        foot = place(sketch, view, np.random.default_rng(seed))
        assert view.horizon < foot <= view.farthest
        pixels = np.asarray(sketch.finished())
        # Black is what nothing was drawn on.
        assert pixels.max(axis=2).min() > 0


def test_things_beyond_the_picture_leave_it_alone() -> None:
    canvas = Image.new("RGB", (50, 50), (9, 9, 9))
    parts = THINGS["bin"](np.random.default_rng(0), 500.0, 40.0, 20.0)
    paint(canvas, parts, Light(0.5, 0.5, (180, 180, 180), 0.0), 0.0, 40.0)
    assert np.asarray(canvas).max() == np.asarray(canvas).min() == 9


def test_the_stage_refuses_what_hides_a_person() -> None:
    generator = np.random.default_rng(0)
    person = person_parts(draw_appearance(generator), draw_pose(generator), Stand(140.0, 150.0, 70.0, 0.15))
    car = THINGS["car"](np.random.default_rng(0), 140.0, 165.0, 80.0)
    stage = Stage(288, 192)
    assert stage.add(person, 150.0, 0.35, is_person=True)
    assert not stage.add(car, 165.0, 0.35, is_person=False), "in front"
    assert stage.add(car, 140.0, 0.35, is_person=False), "behind"
    outside = person_parts(draw_appearance(generator), draw_pose(generator), Stand(-20.0, 150.0, 70.0, 0.15))
    assert not stage.add(outside, 150.0, 0.35, is_person=True)


# Casting


@given(
    seed=st.integers(0, 1000),
    identities=st.integers(6, 40),
    appearances=st.integers(2, 4),
    unlabelled=st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_casting_keeps_its_promises(seed: int, identities: int, appearances: int, unlabelled: int) -> None:
    scenes = cast_scenes(np.random.default_rng(seed), identities, appearances, unlabelled, (2, 6))
    everybody = [person for scene in scenes for person in scene]
    assert everybody.count(UNKNOWN) == unlabelled
    assert (
        np.bincount([person for person in everybody if person != UNKNOWN]).tolist()
        == [appearances] * identities
    )
    for scene in scenes:
        labelled = [person for person in scene if person != UNKNOWN]
        assert len(set(labelled)) == len(labelled) and 2 <= len(scene) <= 6


# Errors


def test_too_few_people_to_fill_different_scenes() -> None:
    with pytest.raises(UserError, match="2 people into 4 different scenes"):
        Synthetic(_changed(validation_identities=2, validation_unlabelled=0)).splits()
    with pytest.raises(UserError, match="cannot fill scenes of 3 to 6"):
        Synthetic(_changed(validation_identities=1, appearances=2, validation_unlabelled=0)).splits()


def test_people_who_do_not_fit_into_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.datasets.synthetic.drawing.plan.SCENE_ATTEMPTS", 3)
    unlabelled = {"train_unlabelled": 28, "validation_unlabelled": 44, "test_unlabelled": 24}
    crowd = _changed(image_width=48, people_per_scene=(12, 12), min_visible=0.95, **unlabelled)
    with pytest.raises(UserError, match="cannot place 12 people in a scene of 48 x 96"):
        Synthetic(crowd).image_bytes("train", 0)


def test_options_may_come_from_a_file() -> None:
    assert _changed(people_per_scene=[3, 6], gallery_sizes=[4, 8, 500]) == SMALL
    with pytest.raises(ValidationError, match="people_per_scene"):
        _changed(people_per_scene=["3", 6])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seeds": 1}, "seeds"),
        ({"seed": "1"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"appearances": 1}, "appearances"),
        ({"family_size": 13}, "family_size"),
        ({"people_per_scene": (6, 3)}, "people_per_scene"),
        ({"distractors": (3, 2)}, "distractors"),
        ({"person_height": (0.6, 0.3)}, "person_height"),
        ({"gallery_sizes": (2,), "default_gallery": 2}, "gallery_sizes"),
        ({"default_gallery": 5}, "default_gallery"),
        ({"mannequin_fraction": 1.5}, "mannequin_fraction"),
        ({"jpeg_quality": 0}, "jpeg_quality"),
    ],
)
def test_bad_options_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        _changed(**changes)


def test_scenes_and_splits_that_are_not_there(data: Synthetic) -> None:
    with pytest.raises(UserError, match="no split 'dev': choose one of train, val, test"):
        data.image_bytes("dev", 0)
    for index in (-1, 999):
        with pytest.raises(UserError, match="has scenes 0 to"):
            data.image_bytes("train", index)
