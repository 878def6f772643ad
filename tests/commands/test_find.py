import errno
import json
import os
import signal
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands.main import main

BOX = "10,8,40,60"


def find(weights, pictures, *more, box=BOX, gallery="gallery", query="query.png"):
    paths = ["--weights", str(weights), "--query", str(pictures / query), "--box", box]
    arguments = ["find", *paths, "--score-threshold", "0", *more, str(pictures / gallery)]
    return CliRunner().invoke(main, arguments)


def test_lists_hits_by_similarity(weights, pictures):
    result = find(weights, pictures, "--top", "3")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if line.split()[0].isdigit()]
    rows = [row for row in rows if len(row) == 5]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    similarities = [float(row[1]) for row in rows]
    assert similarities == sorted(similarities, reverse=True)
    assert {row[4].rpartition("/")[2] for row in rows} <= {"a.png", "b.png"}


def test_json_holds_the_same_hits(weights, pictures):
    result = find(weights, pictures, "--json", "--top", "4")
    values = json.loads(result.stdout)
    assert values["box"] == [10, 8, 40, 60]
    assert values["pictures"] == 2
    assert [hit["rank"] for hit in values["hits"]] == [1, 2, 3, 4]
    assert values["people"] >= 4
    shown = find(weights, pictures, "--top", "4").stdout
    for hit in values["hits"]:
        assert f"{hit['similarity']:.3f}" in shown
    assert json.loads(find(weights, pictures, "--json", "--top", "2").stdout)["hits"] == values["hits"][:2]


def test_writes_a_picture(weights, pictures):
    out = pictures / "new" / "out"
    result = find(weights, pictures, "--out", str(out), "--top", "8")
    assert result.exit_code == 0, result.output
    first = (out / "found.png").read_bytes()
    with Image.open(out / "found.png") as image:
        assert image.width > image.height
    find(weights, pictures, "--out", str(out), "--top", "8")
    assert (out / "found.png").read_bytes() == first
    assert sorted(path.name for path in out.iterdir()) == ["found.png", "index.html"]


@pytest.mark.parametrize("name", ["index.html", "found.png"])
def test_a_file_of_somebody_else_is_not_written_over(weights, pictures, monkeypatch, name):
    monkeypatch.setattr("commands.finding.look", lambda *_, **__: pytest.fail("it searched"))
    (pictures / name).write_bytes(b"mine")
    result = find(weights, pictures, "--out", str(pictures))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: --out {pictures}: {name} is there, and not of `person-search find`; give another folder\n"
    )
    assert (pictures / name).read_bytes() == b"mine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_it_leaves_no_folder_and_says_so(weights, pictures, monkeypatch, number):
    monkeypatch.setattr("commands.finding.find_in_pictures", lambda *_, **__: os.kill(os.getpid(), number))
    result = find(weights, pictures, "--out", str(pictures / "new" / "out"))
    assert result.exit_code == 128 + number
    said = f"Error: interrupted by {number.name} before it was done; run it again"
    assert result.stderr.splitlines()[-1] == said
    assert not (pictures / "new").exists()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("query.png", "query.png is a file; give a folder"),
        ("query.png/deeper/out", "query.png is a file; give a folder"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused_before_the_search(weights, pictures, monkeypatch, out, said):
    monkeypatch.setattr("commands.finding.look", lambda *_, **__: pytest.fail("it searched"))
    result = find(weights, pictures, "--out", str(pictures / out))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("out", ["/proc", "/proc/new/out"])
def test_a_folder_in_which_nothing_can_be_made_is_refused_before_the_search(
    weights, pictures, monkeypatch, out
):
    """In /proc nobody can make a file, although root's permissions say so."""
    monkeypatch.setattr("commands.finding.look", lambda *_, **__: pytest.fail("it searched"))
    result = find(weights, pictures, "--out", out)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: --out {out}: nothing can be written to /proc (")
    assert result.stderr.endswith("; give another folder\n")
    assert result.stderr.count("\n") == 1


def test_a_folder_in_the_place_of_the_picture_is_refused_before_the_search(weights, pictures, monkeypatch):
    monkeypatch.setattr("commands.finding.look", lambda *_, **__: pytest.fail("it searched"))
    (pictures / "found.png").mkdir()
    result = find(weights, pictures, "--out", str(pictures))
    assert result.exit_code == 2
    assert result.stderr.endswith("found.png is a folder, so no file can be written there\n")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_hits_are_printed_although_the_picture_cannot_be_written_in_the_end(
    weights, pictures, monkeypatch, options
):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "out/found.png")

    whole = find(weights, pictures, *options).stdout
    monkeypatch.setattr("commands.hits.write_atomically", full)
    result = find(weights, pictures, *options, "--out", str(pictures / "out"))
    assert result.exit_code == 2
    assert result.stdout == whole
    assert result.stderr.splitlines()[-1] == (
        "Error: cannot read or write out/found.png: No space left on device"
    )


def test_nobody_found(weights, pictures):
    result = find(weights, pictures, "--score-threshold", "1", "--out", str(pictures / "out"))
    assert result.exit_code == 0
    assert "nobody" in result.stdout
    assert (pictures / "out" / "found.png").exists()


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "", "40,8,10,60", "200,8,240,60", "nan,1,2,3"])
def test_bad_boxes(weights, pictures, box):
    result = find(weights, pictures, box=box)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --box")
    assert result.stderr.count("\n") == 1


def test_a_box_over_the_edge_is_cut_and_a_line_says_so(weights, pictures):
    result = find(weights, pictures, "--json", box="-5,8,40.5,100")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["box"] == [0, 8, 40.5, 64]
    assert result.stderr.splitlines()[0] == (
        f"note: --box [-5, 8, 40.5, 100] reaches over the edge of {pictures / 'query.png'}, "
        "which is 96 x 64 pixels: cut to [0, 8, 40.5, 64]"
    )
    assert "note:" not in find(weights, pictures, box="0,0,96,64").stderr


def test_bad_files(weights, pictures):
    (pictures / "none").mkdir()
    (pictures / "text.jpg").write_text("no picture")
    cases = [
        find(pictures / "no.safetensors", pictures),
        find(pictures / "text.jpg", pictures),
        find(weights, pictures, gallery="none"),
        find(weights, pictures, gallery="nowhere"),
        find(weights, pictures, gallery="text.jpg"),
        find(weights, pictures, gallery="query.png"),
        find(weights, pictures, "--out", str(pictures / "text.jpg")),
    ]
    for result in cases:
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1


def test_pictures_left_out_are_not_counted(weights, pictures):
    whole = (pictures / "gallery" / "a.png").read_bytes()
    (pictures / "gallery" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "gallery" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (pictures / "gallery" / "notes.txt").write_text("text")
    result = find(weights, pictures)
    assert result.exit_code == 0
    assert " in 2 pictures; " in result.stdout
    assert "cut.png is no picture that can be read: it is damaged or cut off (PNG, 96 x 64" in result.stderr
    assert "phone.heic" in result.stderr
    assert "1 other file passed over" in result.stderr
    assert json.loads(find(weights, pictures, "--json").stdout)["pictures"] == 2


def test_no_picture_could_be_searched(weights, pictures):
    for path in (pictures / "gallery").iterdir():
        path.write_text("no picture")
    result = find(weights, pictures)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: none of the pictures could be searched")


@pytest.mark.parametrize(
    "name",
    [
        "cash_$1^$.png",
        "$\\frac{$.png",
        "假日照片😀.png",
        "a\nb\x1b[31m\u202e.png",
        "-x_[0]*?%s{0}.png",
        "x" * 240 + ".png",
        os.fsdecode(b"\xff\xfe.png"),
    ],
)
def test_any_name_is_printed_and_drawn(weights, pictures, name):
    (pictures / "gallery" / "a.png").rename(pictures / "gallery" / name)
    (pictures / "gallery" / "b.png").unlink()
    (pictures / "query.png").rename(pictures / f"q{name[1:]}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arguments = ["--out", str(pictures / "out"), "--top", "2"]
        result = find(weights, pictures, *arguments, query=f"q{name[1:]}")
        as_json = find(weights, pictures, *arguments, "--json", query=f"q{name[1:]}")
    assert result.exit_code == 0, result.output
    assert len([line for line in result.stdout.splitlines() if ".png" in line]) == 4
    assert "\x1b" not in result.stdout
    assert json.loads(as_json.stdout)["hits"][0]["file"] == str(pictures / "gallery" / name)
    with Image.open(pictures / "out" / "found.png") as image:
        image.load()


def test_thousands_of_hits_are_drawn_as_far_as_there_is_room(weights, pictures, monkeypatch):
    monkeypatch.setattr("person_search.hits_sheet.MOST_DRAWN", 5)
    monkeypatch.setattr("commands.hits.MOST_DRAWN", 5)
    result = find(weights, pictures, "--top", "100000", "--out", str(pictures / "out"))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("found.png (the first 5 of them)")


def test_guesses_are_named_and_then_counted(weights, pictures):
    values = np.random.default_rng(0).integers(0, 1000, (64, 96), dtype=np.uint16)
    for number in range(8):
        Image.fromarray(values).save(pictures / "gallery" / f"dark{number}.png")
    result = find(weights, pictures)
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    assert len(lines) == 6
    assert "dark0.png: its values reach only 999" in lines[0]
    assert lines[-1].startswith("warning: 3 more")
