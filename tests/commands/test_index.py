"""`person-search index`, and `find --index`: incremental, gone on from, removed from."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.index_building import MADE, NETWORK
from commands.index import index as index_command
from commands.main import main
from person_search.index.store import PeopleStore
from person_search.searcher import PersonSearcher
from pipeline.basics.errors import UserError
from tests.person_search.networks.test_loading import DESCRIBED, small_model

ROOT = Path(__file__).parents[2]
PICTURES = 10


@pytest.fixture
def folder(tmp_path):
    """A folder of small pictures, by camera."""
    for number in range(PICTURES):
        path = tmp_path / "in" / f"cam{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
    return tmp_path / "in"


def index(weights, out, *arguments):
    own = [] if weights is None else ["--weights", str(weights)]
    fast = [] if "--remove" in arguments else ["--workers", "0", "--min-score", "0", "--batch-size", "3"]
    return CliRunner().invoke(main, ["index", *own, "--out", str(out), *fast, *map(str, arguments)])


def table_of(out):
    with PeopleStore.open(out).snapshot() as snapshot:
        return snapshot.table()


def rows_of(out):
    """All rows as text, in an order that does not depend on the files."""
    table = table_of(out)
    return sorted(map(repr, table.to_pylist()))


@pytest.fixture
def indexed(weights, folder, tmp_path):
    result = index(weights, tmp_path / "people", folder)
    assert result.exit_code == 0, result.output
    return tmp_path / "people"


def test_all_people_of_all_pictures_are_in_it(weights, folder, indexed):
    searcher = PersonSearcher(weights)
    by_source = {}
    for row in table_of(indexed).to_pylist():
        by_source.setdefault(row["source"], []).append(row)
    assert set(by_source) == {str(path) for path in folder.rglob("*.png")}
    for source, rows in by_source.items():
        people = searcher.detect(source)
        np.testing.assert_allclose([row["score"] for row in rows], people.scores, rtol=1e-6)
        boxes = [[row[name] for name in ("x1", "y1", "x2", "y2")] for row in rows]
        np.testing.assert_allclose(boxes, people.boxes, atol=1e-4)
        np.testing.assert_allclose([row["embedding"] for row in rows], people.embeddings, atol=1e-3)


def test_what_it_says_is_what_the_benchmark_reads(weights, folder, tmp_path):
    result = index(weights, tmp_path / "people", folder)
    assert MADE.search(result.stdout)[1] == f"{PICTURES}"
    wall, network = float(result.stderr.split(" s, ")[0].splitlines()[-1]), NETWORK.search(result.stderr)[1]
    assert 0 <= float(network) <= wall


def test_a_second_call_reads_nothing_and_imports_no_torch(weights, folder, indexed):
    before = {path: path.read_bytes() for path in indexed.iterdir()}
    code = (
        "import sys; from commands.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('torch' in sys.modules)"
    )
    arguments = ["index", str(folder), "--weights", str(weights), "--out", str(indexed)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"{PICTURES} unchanged" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
    assert {path: path.read_bytes() for path in indexed.iterdir()} == before


def test_new_changed_and_deleted_files(weights, folder, indexed, tmp_path):
    paths = sorted(folder.rglob("*.png"))
    shutil.copy(paths[3], folder / "new.png")
    shutil.copy(paths[4], paths[0])
    os.utime(paths[0], ns=(1, 1))
    paths[1].unlink()
    result = index(weights, indexed, folder)
    assert "of 2 new or changed sources; 8 unchanged" in result.stdout
    assert str(paths[1]) in {row["source"] for row in table_of(indexed).to_pylist()}
    pruned = index(weights, indexed, folder, "--prune")
    assert "forgotten: 1 sources that are gone" in pruned.stdout
    assert index(weights, tmp_path / "anew", folder).exit_code == 0
    assert rows_of(indexed) == rows_of(tmp_path / "anew")


def test_killed_at_any_moment_it_goes_on_to_the_same_rows(weights, folder, indexed, tmp_path):
    """Killed after each commit in turn: by SIGKILL, in a process of its own."""
    code = (
        "import os, signal, sys\n"
        "from person_search.index.writer import StoreWriter\n"
        "commit, left = StoreWriter.commit, [int(sys.argv.pop(1))]\n"
        "def killed(self, *args):\n"
        "    commit(self, *args)\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "StoreWriter.commit = killed\n"
        "from commands.main import main; main(sys.argv[1:])"
    )
    out = tmp_path / "killed"
    options = ["--weights", str(weights), "--out", str(out), "--workers", "0", "--min-score", "0"]
    arguments = ["index", str(folder), *options, "--batch-size", "3"]
    for commits in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", code, str(commits), *arguments], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL
    with PeopleStore.open(out).snapshot() as snapshot:
        assert len(snapshot.sources()) == 9  # three batches of three: one, and two by the run that went on
    assert index(weights, out, folder).exit_code == 0
    assert rows_of(out) == rows_of(indexed)


def test_another_network_is_refused_before_anything_is_read(weights, folder, indexed, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.read_bytes() + b" ")
    result = index(other, indexed, folder)
    assert result.exit_code == 2
    assert "holds people of model" in result.stderr


def find(indexed, query, *arguments):
    paths = ["--index", str(indexed), "--query", str(query)]
    return CliRunner().invoke(main, ["find", *paths, "--min-score", "0", *map(str, arguments)])


def test_find_in_the_index_is_find_in_the_pictures(weights, folder, indexed):
    query, *others = sorted(folder.rglob("*.png"))
    box = ["--box", "10,8,40,60", "--top", "7", "--json"]
    own = json.loads(find(indexed, query, *box).stdout)
    loose = ["find", "--weights", weights, "--query", query, "--min-score", "0", *box, *others]
    expected = json.loads(CliRunner().invoke(main, [*map(str, loose)]).stdout)
    assert own["people"] == expected["people"]
    assert [hit["file"] for hit in own["hits"]] == [hit["file"] for hit in expected["hits"]]
    for key in ("similarity", "score"):
        values = [[hit[key] for hit in found["hits"]] for found in (own, expected)]
        np.testing.assert_allclose(values[0], values[1], atol=1e-3)
    by_faiss = json.loads(find(indexed, query, *box, "--faiss").stdout)
    assert by_faiss["hits"] == own["hits"]


def test_the_weights_may_move(weights, folder, tmp_path):
    moved = tmp_path / "moved.safetensors"
    shutil.copy(weights, moved)
    out = tmp_path / "people"
    assert index(moved, out, folder).exit_code == 0
    query = next(iter(sorted(folder.rglob("*.png"))))
    moved.unlink()
    refused = find(out, query, "--box", "10,8,40,60")
    assert refused.exit_code == 2
    assert f"is not where it was (it was {moved}): give --weights FILE" in refused.stderr
    assert find(out, query, "--box", "10,8,40,60", "--weights", weights).exit_code == 0


def test_cameras_times_and_filters(weights, folder, tmp_path):
    out = tmp_path / "people"
    pattern = r"cam(?P<camera>\d)/(?P<time>\d\d)"
    result = index(weights, out, folder, "--camera-from", pattern, "--time-format", "%M")
    assert result.exit_code == 0, result.output
    query = tmp_path / "query.png"
    shutil.copy(folder / "cam0/00.png", query)
    ask = ["--person", "1", "--top", "1000", "--json"]
    everybody = json.loads(find(out, query, *ask).stdout)["hits"]
    of_camera = json.loads(find(out, query, *ask, "--camera", "1").stdout)["hits"]
    without_rank = [{key: value for key, value in hit.items() if key != "rank"} for hit in everybody]
    assert [{key: value for key, value in hit.items() if key != "rank"} for hit in of_camera] == [
        hit for hit in without_rank if hit["camera"] == "1"
    ]
    early = json.loads(find(out, query, *ask, "--before", "1900-01-01 00:05:00").stdout)["hits"]
    assert {hit["time"] for hit in early} == {f"1900-01-01T00:0{minute}:00+00:00" for minute in range(5)}
    csv = find(out, query, "--person", "1", "--csv", "--top", "2").stdout.splitlines()
    assert csv[0] == "rank,file,frame,time,camera,x1,y1,x2,y2,score,similarity"
    assert csv[1].startswith(f"1,{folder}/cam0/00.png,0,1900-01-01T00:00:00+00:00,0,")


def test_without_a_box_people_are_listed_to_choose_from(weights, folder, indexed, tmp_path):
    query = folder / "cam0/00.png"
    result = find(indexed, query, "--out", tmp_path / "choose")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{query}: ")
    assert "choose whom to look for: --person N" in result.stderr
    assert [path.name for path in (tmp_path / "choose").iterdir()] == ["00-people.jpg"]
    assert find(indexed, query, "--person", "10000").exit_code == 2


def test_people_are_removed_by_source_and_by_camera(weights, folder, tmp_path):
    out = tmp_path / "people"
    index(weights, out, folder, "--camera-from", r"cam(?P<camera>\d)/")
    assert index(None, out, "--remove").exit_code == 2
    by_camera = index(None, out, "--remove", "--camera", "1")
    assert "people of 5 sources removed" in by_camera.stdout
    assert {row["camera"] for row in table_of(out).to_pylist()} == {"0"}
    # Those pictures stay known, so that the people do not come back; whose source is removed is read again.
    assert f"{PICTURES} unchanged" in index(weights, out, folder).stdout
    assert "people of 5 sources removed" in index(None, out, "--remove", folder / "cam0").stdout
    assert len(table_of(out)) == 0
    assert "of 5 new or changed sources; 5 unchanged" in index(weights, out, folder).stdout


@pytest.mark.parametrize("named", ["in/cam0/*", "./in/cam[0]/*", "*/cam0/*", "in/cam0", "in/x/../cam0/*.png"])
def test_a_pattern_is_looked_for_from_here(weights, folder, tmp_path, monkeypatch, named):
    out = tmp_path / "people"
    index(weights, out, folder)
    monkeypatch.chdir(folder.parent)
    result = index(None, out, "--remove", named.replace("in/", f"{folder.name}/"))
    assert "people of 5 sources removed" in result.stdout
    assert {Path(row["source"]).parent.name for row in table_of(out).to_pylist()} == {"cam1"}


def test_a_name_with_a_patterns_signs_and_a_folder_that_is_gone(weights, folder, tmp_path):
    out, odd = tmp_path / "people", tmp_path / "a[1]"
    shutil.copytree(folder / "cam0", odd)
    shutil.copytree(folder / "cam0", tmp_path / "a1")
    index(weights, out, odd, tmp_path / "a1")
    assert "people of 5 sources removed" in index(None, out, "--remove", odd).stdout
    assert {Path(row["source"]).parent.name for row in table_of(out).to_pylist()} == {"a1"}
    shutil.rmtree(tmp_path / "a1")
    assert "people of 5 sources removed" in index(None, out, "--remove", tmp_path / "a1").stdout


def test_where_nothing_fits_it_is_said(weights, folder, tmp_path):
    out = tmp_path / "people"
    index(weights, out, folder)
    for arguments in (["nowhere/*"], ["nowhere"], [folder, "--camera", "none"], ["--camera", "none"]):
        result = index(None, out, "--remove", *arguments)
        assert result.exit_code == 2
        assert "nothing was removed: " in result.stderr
    assert len(table_of(out))


def test_people_without_a_time_are_named_where_a_time_is_asked_for(weights, folder, tmp_path):
    out = tmp_path / "people"
    index(weights, out, folder)
    count = len(table_of(out))
    result = index(None, out, "--remove", "--older-than", "0d")
    assert result.exit_code == 0
    assert f"{count:,} of the people there have no time, so they were kept" in result.stderr
    assert len(table_of(out)) == count


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", ""])
def test_an_age_that_is_none(tmp_path, age):
    result = index(None, tmp_path, "--remove", "--older-than", age)
    assert result.exit_code == 2
    assert "give a number and one of s, m, h, d, w" in result.stderr


def test_addresses_arrive_as_they_were_given(weights, tmp_path, monkeypatch):
    given, address = [], "rtsp://camera/1"
    monkeypatch.setattr("commands.indexing.build", lambda sources, *_, **__: given.append(sources))
    assert index(weights, tmp_path / "people", address, "in").exit_code == 0
    monkeypatch.setattr("commands.indexing.remove_people", lambda _, sources, *__: given.append(sources))
    assert index(None, tmp_path / "people", "--remove", address).exit_code == 0
    assert given == [(address, "in"), (address,)]


def test_an_empty_source_is_not_the_current_folder(weights, indexed):
    for arguments in ((weights, indexed, ""), (None, indexed, "--remove", "")):
        result = index(*arguments)
        assert result.exit_code == 2
        assert "a source is empty" in result.output


def test_where_nothing_could_be_read_it_ends_with_an_error(weights, folder, indexed, tmp_path):
    broken, empty = tmp_path / "broken", tmp_path / "empty"
    for place in (broken, empty):
        place.mkdir()
    (broken / "a.png").write_bytes(b"no picture")
    for sources, says in (
        ([broken], "nothing of the sources could be read; the warnings above say why"),
        ([empty], "there is no picture or video in the sources"),
        ([empty, "--prune"], "there is no picture or video in the sources"),
        (["http://127.0.0.1:9/none"], "nothing of the sources could be read"),
    ):
        result = index(weights, tmp_path / "none", *sources)
        assert result.exit_code == 2
        assert says in result.stderr
        assert ";  " not in result.stderr
    assert index(weights, indexed, broken, folder).exit_code == 0


def test_all_of_a_folder_is_not_pruned_since_its_disk_may_not_be_there(weights, folder, indexed):
    before = rows_of(indexed)
    for path in (folder / "cam1").iterdir():
        path.rename(folder / path.name)
    result = index(weights, indexed, folder / "cam0", folder / "cam1", "--prune")
    assert result.exit_code == 2
    assert "nothing is left in" in result.stderr and "cam1, so nothing was forgotten" in result.stderr
    assert rows_of(indexed) == before
    assert index(weights, indexed, folder, "--prune").exit_code == 0
    assert len(rows_of(indexed)) == len(before)


def test_a_changed_picture_that_cannot_be_read_keeps_its_people(weights, folder, indexed):
    before = rows_of(indexed)
    (folder / "cam0" / "00.png").write_bytes(b"no picture")
    result = index(weights, indexed, folder)
    assert result.exit_code == 0
    assert "left out; what was found in it before stays" in result.stderr
    assert rows_of(indexed) == before


def test_an_index_of_an_exported_network_goes_on_with_it(folder, tmp_path):
    exported, out = small_model(tmp_path / "net.onnx", DESCRIBED.as_text()), tmp_path / "people"
    assert index(exported, out, folder / "cam0").exit_code == 0
    result = index(exported, out, folder)
    assert result.exit_code == 0, result.stderr
    assert f"{PICTURES} people in {PICTURES // 2} frames" in result.stdout
    assert f"{PICTURES // 2} unchanged" in result.stdout
    assert f"{PICTURES} unchanged" in index(exported, out, folder).stdout
    other = small_model(tmp_path / "other.onnx", replace(DESCRIBED, weights_sha256="1" * 64).as_text())
    assert "holds people of model 0000" in index(other, out, folder).stderr


def test_options_that_index_do_not_go_with_remove(folder, indexed):
    everything = {
        *("--weights", "--every", "--camera-from", "--time-format", "--timezone"),
        *("--min-score", "--dtype", "--batch-size", "--workers", "--prune"),
    }
    for option in everything:
        value = {"--prune": [], "--timezone": ["UTC"], "--dtype": ["float16"]}.get(option, ["1"])
        command = ["index", "--out", str(indexed), "--remove", str(folder), option, *value]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 2
        assert f"Error: {option}: for indexing alone; leave it out with --remove" in result.stderr
    assert len(table_of(indexed))
    kept = {name for parameter in index_command.params for name in parameter.opts} - everything
    assert kept == {"sources", "--out", "--camera", "--remove", "--after", "--before", "--older-than"}


@pytest.mark.parametrize(("after", "second"), [("2026-03-02", "2026-03-01"), ("2026-03-01", "2026-03-01")])
def test_a_time_that_never_is(after, second, weights, indexed, folder):
    times = ["--after", after, "--before", second]
    result = index(None, indexed, "--remove", *times)
    assert result.exit_code == 2
    says = f"no time is at or after {after} 00:00:00+00:00 and before {second} 00:00:00+00:00: give"
    assert says in result.stderr
    query = ["--index", str(indexed), "--query", str(folder / "cam0/00.png"), "--person", "1"]
    found = CliRunner().invoke(main, ["find", "--weights", str(weights), *query, *times])
    assert found.exit_code == 2
    assert says in found.stderr


def test_in_python(weights, folder, tmp_path):
    searcher, out = PersonSearcher(weights), tmp_path / "people"
    assert searcher.index([folder], out).built.frames == PICTURES
    query = folder / "cam0/00.png"
    people = searcher.detect(query, 0.3)
    first, *_ = searcher.find(out, people.embeddings[0], top=3)
    assert (first.source, first.similarity) == (str(query), pytest.approx(1, abs=2e-3))
    searcher.network.model_hash = "0" * 64
    with pytest.raises(UserError, match="holds people of model"):
        searcher.find(out, people.embeddings[0])


def test_options_that_do_not_go_together(weights, folder, tmp_path):
    out = tmp_path / "people"
    for arguments, said in [
        ([], "name pictures, videos, folders or cameras"),
        ([folder, "--before", "2020-01-01"], "go with --remove"),
        ([folder, "--camera", "a", "--camera", "b"], "names the one camera of all sources"),
        ([folder, "--every", "often"], "--every"),
        ([folder, "--timezone", "Mars/Base"], "--timezone"),
    ]:
        result = index(weights, out, *arguments)
        assert result.exit_code == 2, arguments
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
        assert not out.exists()
    assert "--weights FILE is needed" in index(None, out, folder).stderr
