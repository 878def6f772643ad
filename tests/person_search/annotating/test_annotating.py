"""Annotating: the same bytes whether it was stopped or not, and right boxes whatever the picture is."""

import json
import os
import shutil
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from person_search.annotating.annotating import AnnotateOptions, annotate_sources
from person_search.annotating.frames import difference, thumbnail
from person_search.detectors.detector import FoundBoxes
from person_search.sources.cameras import Cameras
from pipeline.basics.errors import UserError
from pipeline.datasets.pictures import Pictures
from tests.person_search.sources.films import write_film
from tests.tiny import silent

SIZE = (80, 60)
COLOUR = (220, 30, 30)
NO_PROCESSES = {"workers": 0}


class RedBoxes:
    """Finds the red rectangle of a picture; the second detection is unsure, the third is thin.

    Args:
        stop_after: it is stopped after so many pictures; None for never.
    """

    files = (Path("red.onnx"), Path("red.yaml"))
    file_hash = "abc"

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.pictures = 0

    def detect(self, picture, _least):
        if self.pictures == self.stop_after:
            raise KeyboardInterrupt
        self.pictures += 1
        if picture.shape[0] == 1:
            raise UserError("the picture is too narrow")
        red = np.argwhere((picture[:, :, 0] > 150) & (picture[:, :, 1] < 100))
        if not len(red):
            return FoundBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0) + 1
        boxes = [[left, top, right, bottom], [-5, -5, 10, 10], [0, 0, 0.5, 30]]
        return FoundBoxes(np.array(boxes, np.float32), np.array([0.9, 0.3, 0.8], np.float32))


def picture(seed, corner=(20, 15), size=SIZE):
    pixels = np.random.default_rng(seed).integers(80, 140, (size[1], size[0], 3), dtype=np.uint8)
    pixels[corner[1] : corner[1] + 30, corner[0] : corner[0] + 12] = COLOUR
    return Image.fromarray(pixels)


@pytest.fixture
def sources(tmp_path):
    """Pictures of two cameras, a video, and files that cannot be read."""
    folder = tmp_path / "in"
    for number in range(4):
        path = folder / f"cam{number % 2}" / f"picture {number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path, quality=90)
    picture(9).save(folder / "cam0" / "drawn.png")
    (folder / "cam1" / "broken.jpg").write_bytes((folder / "cam0" / "picture 0.jpg").read_bytes()[:900])
    write_film(folder / "film.mkv", "ffv1", "yuv444p", number=30, rate=10)
    return folder


def annotate(sources, out, detector=None, say=silent, progress=silent, **options):
    detector = detector or RedBoxes()
    chosen = AnnotateOptions(**{"every": Fraction(1, 2), **NO_PROCESSES, **options})
    return annotate_sources([sources], out, detector, chosen, say=say, progress=progress)


def content(out):
    return json.loads((out / "annotations.json").read_text())


def files_of(out):
    """Everything but the journal, which has times of files and absolute paths."""
    found = {path.name: path.read_bytes() for path in (out / "frames").iterdir()}
    return found | {"annotations.json": (out / "annotations.json").read_bytes()}


def test_a_folder_becomes_a_data_set(sources, tmp_path):
    done = annotate(
        sources, tmp_path / "out", cameras=Cameras(pattern=r"/(?P<camera>cam\d)/"), camera_from="x"
    )
    assert (done.frames, done.alike) == (5 + 6, 0)
    assert len(done.gaps) == 1
    assert "broken.jpg is no picture that can be read" in done.gaps[0]
    split = Pictures(tmp_path / "out").splits()["train"]
    by_source = {Path(image["source"]).name: image for image in content(tmp_path / "out")["images"]}
    scene = {s.name: s for s in split.scenes}[by_source["picture 1.jpg"]["file_name"]]
    np.testing.assert_allclose(scene.boxes, [[20, 15, 32, 45]], atol=1.01)
    assert scene.ignored.tolist() == [[0, 0, 10, 10]]
    assert scene.camera == 1
    assert {s.camera for s in split.scenes} == {0, 1, -1}
    assert [image["frame"] for name, image in by_source.items() if name == "film.mkv"] == [25]


def test_jpegs_are_the_files_own_bytes_and_others_are_encoded(sources, tmp_path):
    annotate(sources, tmp_path / "out")
    by_source = {Path(i["source"]).name: i["file_name"] for i in content(tmp_path / "out")["images"]}
    frames = tmp_path / "out" / "frames"
    own = sources / "cam0" / "picture 0.jpg"
    assert (frames / by_source["picture 0.jpg"]).read_bytes() == own.read_bytes()
    made = np.asarray(Image.open(frames / by_source["drawn.png"])).astype(int)
    assert np.abs(made - np.asarray(picture(9))).mean() < 6


def test_a_turned_picture_is_stored_upright(tmp_path):
    """A data set's boxes are in pixels as stored, which EXIF data must not turn."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "in").mkdir()
    picture(0).save(tmp_path / "in" / "turned.jpg", exif=exif, quality=95)
    annotate(tmp_path / "in", tmp_path / "out")
    (image,) = content(tmp_path / "out")["images"]
    assert (image["width"], image["height"]) == SIZE[::-1]
    stored = Image.open(tmp_path / "out" / "frames" / image["file_name"])
    assert stored.size == SIZE[::-1]
    assert 0x0112 not in stored.getexif()


@pytest.mark.parametrize(("stop_after", "distinct"), [(0, 0.0), (3, 1.0), (5, 0.0), (8, 1.0)])
def test_stopped_and_gone_on_is_as_if_it_was_not(stop_after, distinct, sources, tmp_path):
    whole = annotate(sources, tmp_path / "whole", distinct=distinct)
    with pytest.raises(KeyboardInterrupt):
        annotate(sources, tmp_path / "out", RedBoxes(stop_after), distinct=distinct)
    assert not (tmp_path / "out" / "annotations.json").exists()
    with pytest.raises(UserError, match=r"annotations.json is missing.* run it again"):
        Pictures(tmp_path / "out").splits()
    with (tmp_path / "out" / "journal.jsonl").open("ab") as file:
        file.write(b'{"name": "half a li')
    (tmp_path / "out" / "frames" / ".picture.jpg.7.tmp").write_bytes(b"half")
    going_on = RedBoxes()
    assert annotate(sources, tmp_path / "out", going_on, distinct=distinct) == whole
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert going_on.pictures == whole.frames - stop_after


def test_a_second_run_looks_at_nothing_but_what_is_new(sources, tmp_path):
    annotate(sources, tmp_path / "out")
    before = files_of(tmp_path / "out")
    again = RedBoxes()
    annotate(sources, tmp_path / "out", again)
    assert again.pictures == 0
    assert files_of(tmp_path / "out") == before
    picture(77).save(sources / "cam0" / "another.jpg")
    annotate(sources, tmp_path / "out", again)
    assert again.pictures == 1
    annotate(sources, tmp_path / "at once")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "at once")


@pytest.mark.parametrize("name", ["picture 0.jpg", "picture 9.jpg"])
def test_a_changed_picture_takes_the_place_of_the_old_one(name, sources, tmp_path):
    """The second one is the last that the journal is about."""
    (sources / "film.mkv").unlink()
    (sources / "cam1" / "broken.jpg").unlink()
    picture(3).save(sources / "cam1" / "picture 9.jpg")
    annotate(sources, tmp_path / "out")
    (changed,) = sources.rglob(name)
    picture(50, corner=(40, 5)).save(changed, quality=90)
    annotate(sources, tmp_path / "out")
    annotate(sources, tmp_path / "new")
    assert content(tmp_path / "out") == content(tmp_path / "new")


def test_the_same_picture_under_the_same_name_is_there_once(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        picture(0).save(tmp_path / "in" / folder / "one.jpg")
    done = annotate(tmp_path / "in", tmp_path / "out")
    assert (done.frames, done.alike) == (1, 1)


def test_pictures_of_one_name_are_told_apart_by_their_source(tmp_path, monkeypatch):
    """`source` is the file as it was given: a source, and the path below it."""
    monkeypatch.chdir(tmp_path)
    places = ("one/a/1.png", "one/b/1.png", "two/a/1.png", "1.png")
    for number, place in enumerate(places):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(place)
    options = AnnotateOptions(**NO_PROCESSES)
    for sources, starts in (
        (["one", "./two", "1.png"], ("one", "one", "two", "1.png")),
        (["one", "one/b", tmp_path / "two", "1.png"], ("one", "one", str(tmp_path / "two"), "1.png")),
        (["."], ("one", "one", "two", "1.png")),
    ):
        out = tmp_path / f"out of {len(sources)}"
        annotate_sources(sources, out, RedBoxes(), options, say=silent, progress=silent)
        named = {image["source"] for image in content(out)["images"]}
        assert named == {
            place.replace(place.partition("/")[0], start) for place, start in zip(places, starts, strict=True)
        }
        shutil.rmtree(out)


def test_near_duplicates_are_left_out_and_counted(tmp_path):
    (tmp_path / "in").mkdir()
    for number, corner in enumerate([(20, 15), (20, 15), (21, 15), (60, 15), (60, 15)]):
        picture(0, corner).save(tmp_path / "in" / f"{number}.png")
    assert annotate(tmp_path / "in", tmp_path / "all").frames == 5
    done = annotate(tmp_path / "in", tmp_path / "out", distinct=2.0)
    assert (done.frames, done.alike) == (2, 3)
    kept = [Path(image["source"]).name for image in content(tmp_path / "out")["images"]]
    assert kept == ["0.png", "3.png"]


def test_a_changed_picture_is_not_compared_with_what_it_was(tmp_path):
    (tmp_path / "in").mkdir()
    picture(0, (60, 15)).save(tmp_path / "in" / "0.png")
    picture(0, (20, 15)).save(tmp_path / "in" / "1.png")
    assert annotate(tmp_path / "in", tmp_path / "out", distinct=2.0).frames == 2
    picture(0, (21, 15)).save(tmp_path / "in" / "1.png", compress_level=0)  # hardly another, of another size
    done = annotate(tmp_path / "in", tmp_path / "out", distinct=2.0)
    assert (done.frames, done.alike) == (2, 0)
    annotate(tmp_path / "in", tmp_path / "new", distinct=2.0)
    assert content(tmp_path / "out") == content(tmp_path / "new")


@pytest.mark.parametrize("distinct", [0.0, 0.5])
def test_a_file_that_is_only_touched_keeps_its_frames(distinct, sources, tmp_path):
    before = annotate(sources, tmp_path / "out", distinct=distinct)
    wanted = content(tmp_path / "out")
    for path in (sources / "film.mkv", sources / "cam0" / "picture 0.jpg"):
        os.utime(path, (1, 1))
        assert annotate(sources, tmp_path / "out", distinct=distinct) == before
        assert content(tmp_path / "out") == wanted


def test_frames_that_somebody_removed_are_made_again(sources, tmp_path):
    done = annotate(sources, tmp_path / "out")
    wanted = files_of(tmp_path / "out")
    first, second, *_ = sorted((tmp_path / "out/frames").iterdir())
    first.unlink()
    second.write_bytes(b"")
    again = RedBoxes()
    assert annotate(sources, tmp_path / "out", again) == done
    assert 0 < again.pictures < done.frames
    assert files_of(tmp_path / "out") == wanted
    (sources / "cam0" / "picture 0.jpg").unlink()  # what is known of a file that is gone stays
    assert annotate(sources, tmp_path / "out").frames == done.frames


@pytest.mark.parametrize("distinct", [0.0, 0.5])
def test_a_film_that_has_grown_is_read_anew(distinct, tmp_path):
    (tmp_path / "in").mkdir()
    for number in (20, 40):
        write_film(tmp_path / "in" / "film.mkv", "ffv1", "yuv444p", number=number, rate=10)
        annotate(tmp_path / "in", tmp_path / "out", distinct=distinct)
    annotate(tmp_path / "in", tmp_path / "new", distinct=distinct)
    assert content(tmp_path / "out") == content(tmp_path / "new")


@pytest.mark.parametrize("name", ["letters.txt", "frames/mine.jpg"])
def test_a_folder_that_holds_something_else_is_left_alone(name, sources, tmp_path):
    (tmp_path / "out" / "frames").mkdir(parents=True)  # what a kill right at the start leaves
    (tmp_path / "out" / name).write_text("dear")
    with pytest.raises(UserError, match=f"out holds something else .{Path(name).parts[0]}."):
        annotate(sources, tmp_path / "out")
    assert {path.name for path in tmp_path.glob("out/**/*")} == {"frames", Path(name).name}
    (tmp_path / "out" / name).unlink()
    assert annotate(sources, tmp_path / "out").frames == 11


def test_the_difference_is_the_mean_of_grey_levels():
    black, grey = np.zeros((36, 64, 3), np.uint8), np.full((36, 64, 3), 100, np.uint8)
    half = black.copy()
    half[:18] = 100
    assert difference(thumbnail(black), thumbnail(black)) == 0
    assert difference(thumbnail(black), thumbnail(grey)) == pytest.approx(100)
    assert difference(thumbnail(grey), thumbnail(half)) == pytest.approx(50)


def test_a_picture_that_the_detector_cannot_look_at_is_a_line(sources, tmp_path):
    Image.new("RGB", (50, 1)).save(sources / "cam0" / "narrow.png")
    done = annotate(sources, tmp_path / "out")
    assert done.frames == 11
    assert any("narrow.png: the picture is too narrow" in gap for gap in done.gaps)


def test_the_folder_itself_is_not_annotated(sources):
    first = annotate(sources, sources / "out")
    assert annotate(sources, sources / "out") == first


def test_all_that_is_given_lies_below_out(sources):
    with pytest.raises(UserError, match=r"all that was given \(files: 7\) lies below --out .*: give another"):
        annotate(sources, sources)
    assert not (sources / "frames").exists()


def test_progress_is_in_pictures_and_videos(sources, tmp_path):
    seen = []
    annotate(sources, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 7) for number in range(1, 8)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"score": 0.7},
            "was begun with --score 0.5, not 0.7: give the same again, remove the folder, or give another",
        ),
        ({"distinct": 1.0}, "was begun with --distinct 0.0, not 1.0"),
        ({"camera": "a"}, "was begun without --camera, not with a"),
    ],
)
def test_other_options_in_the_same_folder(options, says, sources, tmp_path):
    annotate(sources, tmp_path / "out")
    with pytest.raises(UserError, match=says):
        annotate(sources, tmp_path / "out", **options)


def test_without_an_option_that_the_folder_was_begun_with(sources, tmp_path):
    annotate(sources, tmp_path / "out", camera="a")
    with pytest.raises(UserError, match="was begun with --camera a, not without: give the same again"):
        annotate(sources, tmp_path / "out")


def test_another_detector_in_the_same_folder(sources, tmp_path):
    annotate(sources, tmp_path / "out")
    other = RedBoxes()
    other.file_hash = "def"
    says = (
        "was begun with detector abc, not def, the hash of red.onnx and red.yaml: give the same again, remove"
    )
    with pytest.raises(UserError, match=says):
        annotate(sources, tmp_path / "out", other)


def test_what_cannot_be_annotated(sources, tmp_path):
    with pytest.raises(UserError, match=r"--unsure 0.6 is above --score 0.5"):
        AnnotateOptions(unsure=0.6)
    with pytest.raises(
        UserError, match=r"^rtsp://camera/1: `annotate` reads no streams and no addresses; save"
    ):
        annotate("rtsp://camera/1", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there is no picture and no video"):
        annotate(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal.jsonl").write_text("hello\n")
    with pytest.raises(UserError, match=r"journal.jsonl is damaged, or not of `person-search annotate`"):
        annotate(sources, tmp_path / "out")


def test_grey_jpegs_stay_and_odd_colours_are_encoded(tmp_path):
    (tmp_path / "in").mkdir()
    picture(0).convert("L").save(tmp_path / "in" / "grey.jpg")
    picture(0).convert("CMYK").save(tmp_path / "in" / "ink.jpg")
    annotate(tmp_path / "in", tmp_path / "out")
    modes = {
        Path(image["source"]).name: Image.open(
            BytesIO((tmp_path / "out" / "frames" / image["file_name"]).read_bytes())
        ).mode
        for image in content(tmp_path / "out")["images"]
    }
    assert modes == {"grey.jpg": "L", "ink.jpg": "RGB"}
