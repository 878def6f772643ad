"""`person-search annotate`: what it says, and which options it refuses."""

import json

import numpy as np
from click.testing import CliRunner

from commands.main import main
from tests.person_search.detectors.files import HEIGHT, WIDTH, write_detector

OUTPUTS = {
    "boxes": np.array([[4, 8, 20, 40], [30, 6, 44, 42]], np.float32),
    "scores": np.array([0.9, 0.2], np.float32),
}


def annotate(*arguments):
    return CliRunner().invoke(main, ["annotate", *map(str, arguments)])


def with_detector(tmp_path, **described):
    return write_detector(tmp_path / "d.onnx", OUTPUTS, described={"layout": "boxes_scores", **described})


def test_pictures_become_a_data_set(pictures, tmp_path):
    (pictures / "gallery" / "cut.png").write_bytes((pictures / "query.png").read_bytes()[:99])
    out = tmp_path / "out"
    options = ("--detector", with_detector(tmp_path), "--out", out, "--workers", 0, "--camera", "door")
    done = annotate(pictures / "gallery", *options)
    assert done.exit_code == 0, done.output
    assert "2 frames with 2 people and 2 boxes that are unsure" in done.output
    assert "1 could not be read (whole):" in done.output
    assert "cut.png" in done.output
    content = json.loads((out / "annotations.json").read_text())
    assert [image["camera"] for image in content["images"]] == ["door"] * 2
    assert [own["ignore"] for own in content["annotations"]] == [0, 1] * 2
    factors = np.tile([96 / WIDTH, 64 / HEIGHT], 2)
    x, y, w, h = content["annotations"][0]["bbox"]
    np.testing.assert_allclose([x, y, x + w, y + h], OUTPUTS["boxes"][0] * factors, atol=0.02)
    again = annotate(pictures / "gallery", *options)
    assert "2 frames with 2 people" in again.output


def test_nobody_is_a_warning_with_what_to_check(pictures, tmp_path):
    """A wrong YAML gives boxes of low scores, or none; the data set is written all the same."""
    out, detector = tmp_path / "out", with_detector(tmp_path, units="fractions", nms=0.5)
    given = (pictures / "gallery", "--detector", detector, "--workers", 0, "--out")
    done = annotate(*given, out, "--score", 0.95)
    assert done.exit_code == 0
    keys = "`layout`, `person`, `channels`, `scale`, `mean`, `std`, `boxes`, `units`, `scores`"
    says = (
        f"warning: there is no person in any of 2 frames: check {keys} in {tmp_path / 'd.yaml'}, and --score"
    )
    assert f"{says} 0.95\n" in done.stderr
    checked = CliRunner().invoke(main, ["check-data", "--dataset", "pictures", "--root", str(out)])
    assert "there is no person in any frame: were the detector's YAML and --score right?" in checked.output
    assert checked.exit_code == 0
    with_detector(tmp_path)
    corrected = annotate(*given, out, "--score", 0.95)
    assert corrected.exit_code == 2
    hashed = f"the hash of {detector} and {tmp_path / 'd.yaml'}"
    assert f"{hashed}: give the same again, remove the folder, or give another --out" in corrected.stderr
    assert "warning" not in annotate(*given, tmp_path / "other").stderr


def test_nothing_could_be_read(pictures, tmp_path):
    cut, out = tmp_path / "cut.png", tmp_path / "out"
    cut.write_bytes((pictures / "query.png").read_bytes()[:99])
    done = annotate(cut, "--detector", with_detector(tmp_path), "--out", out, "--workers", 0)
    assert done.exit_code == 1
    assert "1 could not be read (whole):" in done.output
    (error,) = done.stderr.splitlines()[-1:]
    assert error.startswith(f"Error: {out} has no frame, so nothing can be trained on it")
    assert "no person" not in done.output
    checked = CliRunner().invoke(main, ["check-data", "--dataset", "pictures", "--root", str(out)])
    assert checked.exit_code == 1
    assert "annotations.json has no frame; write it again with `person-search annotate`" in checked.output
    assert "cannot be used as it is: 1 problem" in checked.output


def test_mistakes_are_one_line(pictures, tmp_path):
    detector = with_detector(tmp_path)
    plain = (pictures / "gallery", "--detector", detector, "--out", tmp_path / "out")
    for arguments, says in (
        (plain[1:], "name pictures, videos or folders to annotate"),
        ((*plain, "--score", "nan"), "--score nan: give a number"),
        ((*plain, "--score", "0.05"), "--unsure 0.1 is above --score 0.05"),
        ((*plain, "--every", "often"), "--every often: give a time"),
        ((*plain[:2], tmp_path / "none.onnx", *plain[3:]), "no detector at"),
        ((tmp_path / "none", *plain[1:]), "none does not exist"),
        (("http://x/y", *plain[1:]), "Error: http://x/y: `annotate` reads no streams and no addresses"),
        (("rtsp://me:secret@x", *plain[1:]), "Error: rtsp://me@x: `annotate` reads no streams"),
        (("", *plain[1:]), "a source is empty"),
        ((*plain[:4], detector), "is a file; give a folder"),
    ):
        done = annotate(*arguments)
        assert done.exit_code != 0
        assert says in done.output
        assert not (tmp_path / "out").exists()
