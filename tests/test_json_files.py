"""JSON files: the same bytes for the same content, and one line about a file that cannot be used."""

import json

import pytest

from pipeline.basics.errors import UserError
from pipeline.basics.json_files import damaged, json_text, read_json, write_json

AGAIN = "make it again"


def read(path):
    return read_json(path, absent=f"{path} is missing", again=AGAIN)


def test_what_is_written_is_read_and_can_be_read_by_people(tmp_path):
    content = {"b": 1, "a": {"list": [0.1, None, True], "text": "ä"}}
    write_json(tmp_path / "new/a.json", content)
    assert (tmp_path / "new/a.json").read_bytes() == (json.dumps(content, indent=2) + "\n").encode()
    assert read(tmp_path / "new/a.json") == content
    write_json(tmp_path / "a.json", content, indent=1)
    assert (tmp_path / "a.json").read_text() == json.dumps(content, indent=1) + "\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_is_not_written(value, tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": value})
    assert path.read_text() == json_text({"a": 1})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_damaged_file_is_one_line(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value) == str(damaged(path, AGAIN)) == f"{path} is damaged; make it again"


def test_nothing_or_something_else_in_its_place(tmp_path):
    with pytest.raises(UserError, match=r"a\.json is missing"):
        read(tmp_path / "a.json")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "link.json").symlink_to("gone.json")
    with pytest.raises(UserError, match=r"a link to gone\.json"):
        read(tmp_path / "link.json")
