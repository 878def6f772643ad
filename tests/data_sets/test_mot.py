"""Sequences in MOTChallenge's form: which frames, which boxes, and one line for what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Inspection
from pipeline.datasets.mot import Mot
from pipeline.datasets.mot_options import MotOptions
from pipeline.datasets.split_options import SplitOptions
from pipeline.scenes.scene import UNLABELLED, Scene
from tests.data_sets.own_trees import sequence

ALL = SplitOptions(val_share=0.0, test_share=0.0)


def scenes(root: Path, **options: Any) -> dict[str, tuple[Scene, list[str | None]]]:
    split = Mot(root, MotOptions(**options), ALL).splits()["train"]
    return {
        scene.name: (scene, [None if p == UNLABELLED else split.identities[p] for p in scene.person_ids])
        for scene in split.scenes
    }


def inspect(root: Path, **options: Any) -> Inspection:
    return Mot(root, MotOptions(**options), ALL).inspect()


def test_a_frame_a_second_of_each_sequence_and_people_are_a_sequences_own(tmp_path: Path) -> None:
    for name in ("S10", "S2"):
        sequence(tmp_path / name, [f"{frame},1,10,10,20,40,1,1,1" for frame in range(1, 7)])
    found = scenes(tmp_path)
    assert list(found) == [f"{name}/img1/00000{n}.jpg" for name in ("S2", "S10") for n in (1, 3, 5)]
    assert [people for _, people in found.values()] == [["S2/1"]] * 3 + [["S10/1"]] * 3
    assert [scene.camera for scene, _ in found.values()] == [1, 1, 1, 2, 2, 2]
    assert found["S2/img1/000001.jpg"][0].boxes.tolist() == [[10, 10, 30, 50]]
    assert len(scenes(tmp_path, every=0.0)) == 12 and len(scenes(tmp_path, every=3.0)) == 2
    assert list(scenes(tmp_path / "S2")) == [f"img1/00000{n}.jpg" for n in (1, 3, 5)]
    assert next(iter(scenes(tmp_path, sequences=["S10"]))) == "S10/img1/000001.jpg"


def test_classes_flags_and_visibility(tmp_path: Path) -> None:
    kinds = [
        (1, 1, 1),
        (1, 0, 1),
        (1, 1, 0.2),
        (2, 1, 1),
        (3, 1, 1),
        (7, 0, 1),
        (8, 0, 1),
        (9, 0, 1),
        (12, 0, 1),
    ]
    lines = [f"1,{n + 1},{n * 10},10,8,40,{flag},{c},{seen}" for n, (c, flag, seen) in enumerate(kinds)]
    sequence(tmp_path / "S", lines)
    scene, people = scenes(tmp_path)["S/img1/000001.jpg"]
    assert people == ["S/1"]
    assert [box[0] / 10 for box in scene.ignored] == [1, 2, 3, 5, 6, 8]  # 3 is a car, 9 an occluder
    scene, people = scenes(tmp_path, min_visibility=0.0, person_classes=[1, 2], ignored_classes=[9])[
        "S/img1/000001.jpg"
    ]
    assert people == ["S/1", "S/3", "S/4"] and [box[0] / 10 for box in scene.ignored] == [1, 7]


@pytest.mark.parametrize("end", ["1,-1,-1,-1", "1", "1,1", "1,1,1", "1,7.5,8.5,0"])
def test_mot15_and_shorter_forms(end: str, tmp_path: Path) -> None:
    sequence(tmp_path / "S", [f"1, 3, 10.5, 10, 20, 40, {end}", ""])
    scene, people = scenes(tmp_path)["S/img1/000001.jpg"]
    assert people == ["S/3"] and scene.boxes.tolist() == [[10.5, 10, 30.5, 50]]


def test_a_track_below_0_is_unlabelled_and_boxes_are_cut(tmp_path: Path) -> None:
    lines = [
        "1,-1,-5,10,20,40,1,1,1",
        "1,2,200,10,20,40,1,1,1",
        "1,3,10,10,0,40,1,1,1",
        "1,4,500,500,9,9,0,1,1",
    ]
    sequence(tmp_path / "S", lines)
    scene, people = scenes(tmp_path)["S/img1/000001.jpg"]
    assert people == [None] and scene.boxes.tolist() == [[0, 10, 15, 50]] and not len(scene.ignored)
    notes = inspect(tmp_path).findings.notes
    assert "1 boxes outside their image left out" in notes
    assert "1 boxes without width or height left out: S/img1/000001.jpg" in notes


def test_missing_frames_are_passed_over_and_told(tmp_path: Path) -> None:
    lines = [f"{frame},1,10,10,20,40,1,1,1" for frame in range(1, 9)]
    sequence(tmp_path / "S", lines, frames=[1, 2, 4, 6])
    assert list(scenes(tmp_path)) == [f"S/img1/00000{n}.jpg" for n in (1, 4, 6)]
    inspection = inspect(tmp_path)
    assert "4 frames of S have boxes and no picture: 3, 5, 7, 8" in inspection.findings.warnings
    assert not inspection.findings.problems


def test_without_seqinfo_the_rate_is_asked_for(tmp_path: Path) -> None:
    sequence(tmp_path / "S", ["1,1,10,10,20,40,1,1,1"], info=None)
    assert inspect(tmp_path).findings.problems == [
        "S: no seqinfo.ini says how many frames a second there are; set `mot.frame_rate`, or `mot.every` to "
        "0 for all frames"
    ]
    assert len(scenes(tmp_path, frame_rate=3.0)) == 2 and len(scenes(tmp_path, every=0.0)) == 6


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,2,3", "3 numbers"),
        ("1,2,3,4,5,6,7,8,9,10,11", "11 numbers"),
        ("1,2,x,4,5,6,1,1,1", "a word that is no number"),
        ("1,2,nan,4,5,6,1,1,1", "a number that is not finite"),
        ("1.5,2,3,4,5,6,1,1,1", "a frame that is no whole number from 0"),
        ("-1,2,3,4,5,6,1,1,1", "a frame that is no whole number from 0"),
        ("1,2.5,3,4,5,6,1,1,1", "an id that is no whole number"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: str, why: str, tmp_path: Path) -> None:
    sequence(tmp_path / "S", ["1,1,10,10,20,40,1,1,1", "", line])
    (problem,) = inspect(tmp_path).findings.problems
    assert problem.startswith(f"S/gt/gt.txt: line 3: {why}; ") and problem.endswith(f"found '{line}'")


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no sequence"):
        Mot(tmp_path).splits()
    sequence(tmp_path / "train/S", ["1,1,10,10,20,40,1,1,1"])
    with pytest.raises(UserError, match="did you mean"):
        Mot(tmp_path).splits()
    with pytest.raises(UserError, match="T is no sequence"):
        Mot(tmp_path / "train", MotOptions(sequences=["T"])).splits()
    (tmp_path / "train/S/img1/frame_7.jpg").write_bytes(b"")
    (tmp_path / "train/S/img1/1.jpg").write_bytes(b"")
    assert inspect(tmp_path / "train").findings.problems == [
        "S/img1: 000001.jpg and 1.jpg are the same frame",
        "S/img1/frame_7.jpg: a frame is named by its number, as 000001.jpg",
    ]
    (tmp_path / "train/S/seqinfo.ini").write_text("[Sequence]\nimDir=frames\n")
    assert "the folder of the frames, frames, is missing" in inspect(tmp_path / "train").findings.problems[0]
    for text, line in (("frameRate=9", "must hold a section"), ("[Sequence]\nframeRate=no", "found 'no'")):
        (tmp_path / "train/S/seqinfo.ini").write_text(text)
        with pytest.raises(UserError, match=line):
            Mot(tmp_path / "train").splits()


def test_mot17s_copies_for_each_detector_count_once(tmp_path: Path) -> None:
    for end in ("DPM", "FRCNN", "SDP"):
        sequence(tmp_path / f"MOT17-02-{end}", ["1,1,10,10,20,40,1,1,1"], frames=[1])
    assert list(scenes(tmp_path)) == ["MOT17-02-DPM/img1/000001.jpg"]
    assert any(note.startswith("2 sequences left out") for note in inspect(tmp_path).findings.notes)


def test_searches_within_a_sequence(tmp_path: Path) -> None:
    lines = [
        f"{frame},{person},{person * 12},10,10,40,1,1,1" for frame in range(1, 31) for person in range(6)
    ]
    sequence(tmp_path / "S", lines, frames=range(1, 31))
    splits = Mot(tmp_path, MotOptions(every=0.5)).splits()
    test = splits["test"]
    assert test.queries and list(test.galleries) == ["full"]  # one camera: no cross_camera
    gallery = test.galleries["full"].of_query(0, test.queries[0].scene, test.cameras)
    assert len(gallery.scenes) == len(test.scenes) - 1 and test.queries[0].scene not in gallery.scenes
