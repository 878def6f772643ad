"""`person-search index` and `find` with videos and streams."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from commands.main import main
from person_search.index.indexing import IndexOptions
from person_search.index.store import PeopleStore
from person_search.index.writer import StoreWriter
from person_search.searcher import PersonSearcher
from person_search.sources.rereading import read_again
from person_search.sources.videos import video_frames
from pipeline.basics.errors import UserError
from tests.person_search.sources.films import write_film
from tests.person_search.sources.test_streams import served

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def film(tmp_path):
    return write_film(
        tmp_path / "street.mp4",
        number=23,
        size=(96, 64),
        metadata={"creation_time": START.isoformat()},
        options={"movflags": "faststart"},
    )


def options(**more):
    return IndexOptions(min_score=0.0, batch_size=4, workers=0, **more)


def people_in(out):
    with PeopleStore.open(out).snapshot() as snapshot:
        return snapshot.table().to_pylist(), snapshot.sources()


def rows_of(out):
    return sorted(map(repr, people_in(out)[0]))


def test_frames_have_their_numbers_and_times(weights, film, tmp_path):
    done = PersonSearcher(weights).index([film], tmp_path / "people", options(every=Fraction("0.2")))
    assert done.built.frames == 5
    rows, sources = people_in(tmp_path / "people")
    assert {row["frame"] for row in rows} == {0, 5, 10, 15, 20}
    for row in rows:
        assert row["time"] == START + timedelta(milliseconds=40 * row["frame"])
    assert sources[str(film)].complete


def stop_after(commits, monkeypatch):
    """Stop an indexing as Ctrl-C does, right after so many commits."""
    commit, left = StoreWriter.commit, [commits]

    def stopped(self, *arguments):
        commit(self, *arguments)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(StoreWriter, "commit", stopped)


@pytest.mark.parametrize("commits", range(1, 7))
def test_stopped_after_any_batch_it_goes_on_to_the_same_rows(weights, film, tmp_path, monkeypatch, commits):
    searcher = PersonSearcher(weights)
    searcher.index([film], tmp_path / "whole", options())
    stop_after(commits, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        searcher.index([film], tmp_path / "stopped", options())
    known = people_in(tmp_path / "stopped")[1][str(film)]
    assert known.complete or known.last_frame == 4 * commits - 1
    again = searcher.index([film], tmp_path / "stopped", options())
    assert again.built.frames == (0 if known.complete else 23 - 4 * commits)
    assert rows_of(tmp_path / "stopped") == rows_of(tmp_path / "whole")


def test_what_lacks_its_end_alone_is_read_without_an_error(weights, tmp_path, monkeypatch):
    film, out = write_film(tmp_path / "film.mkv", number=8, size=(96, 64)), tmp_path / "people"
    command = ["index", str(film), "--out", str(out), "--weights", str(weights), "--batch-size", "4"]
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        assert CliRunner().invoke(main, command).exit_code != 0
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 0, again.output
    assert "0 people in 0 frames of 1 new or changed sources" in again.output


def test_a_changed_video_is_read_anew(weights, film, tmp_path):
    searcher, out = PersonSearcher(weights), tmp_path / "people"
    searcher.index([film], out, options())
    write_film(film, number=9, size=(96, 64))
    assert searcher.index([film], out, options()).built.frames == 9
    searcher.index([film], tmp_path / "anew", options())
    assert rows_of(out) == rows_of(tmp_path / "anew")


def test_a_video_that_is_cut_off_is_kept_as_far_as_it_goes(weights, tmp_path):
    film = write_film(tmp_path / "cut.mkv", number=100, size=(96, 64))
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    lines, searcher = [], PersonSearcher(weights)
    done = searcher.index([film], tmp_path / "people", options(), say=lines.append)
    assert 0 < done.built.frames < 60
    assert done.built.passed_over == 1
    (line,) = lines
    assert line.startswith("warning: ")
    assert "cut.mkv" in line
    assert people_in(tmp_path / "people")[1][str(film)].complete  # and is not read again
    assert searcher.index([film], tmp_path / "people", options(), say=lines.append).unchanged == 1


def test_a_hit_in_a_video_is_drawn_from_its_frame(weights, film, tmp_path):
    searcher = PersonSearcher(weights)
    searcher.index([film], tmp_path / "people", options())
    frames = list(video_frames(film))
    Image.fromarray(frames[7].pixels).save(tmp_path / "query.png")
    arguments = ["--query", tmp_path / "query.png", "--person", "1", "--min-score", "0"]
    shown = ["--top", "3", "--out", tmp_path / "found", "--json"]
    found = CliRunner().invoke(
        main, ["find", "--index", str(tmp_path / "people"), *map(str, arguments), *map(str, shown)]
    )
    assert found.exit_code == 0, found.output
    hit = json.loads(found.stdout)["hits"][0]
    assert (hit["file"], hit["frame"]) == (str(film), 7)
    assert hit["similarity"] == pytest.approx(1, abs=2e-3)
    page = (tmp_path / "found/index.html").read_text()
    assert ", frame 7" in page
    assert "2024-05-01 12:00:00 UTC" in page
    wanted = [(str(film), 20), (str(film), 7), (str(film), 20)]
    shown = dict(read_again(range(3), wanted.__getitem__))
    for place, (_, number) in enumerate(wanted):
        np.testing.assert_array_equal(shown[place].pixels, frames[number].pixels)
    with pytest.raises(UserError, match="has no frame 99 any more"):
        list(read_again([0], lambda _: (str(film), 99)))


def test_streams_go_on_counting_and_show_no_password(weights, film, tmp_path):
    searcher, out = PersonSearcher(weights), tmp_path / "people"
    with served(film.read_bytes()) as address:
        for _ in range(2):
            assert searcher.index([f"{address}/film"], out, IndexOptions(min_score=0.0)).built.frames == 23
        rows, sources = people_in(out)
    (source,) = sources
    assert "secret" not in source
    assert {row["frame"] for row in rows} <= set(range(46))
    assert max(row["frame"] for row in rows) > 23
    own = searcher.find(out, np.array([row["embedding"] for row in rows[:1]]), top=2)
    with pytest.raises(UserError, match="pictures of a stream are not kept"):
        list(read_again(own, lambda hit: (hit.source, hit.frame)))


def test_processes_of_a_launcher_share_the_sources(weights, film, tmp_path):
    for number in range(5):
        values = np.random.default_rng(number).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / "in" / f"{number}.png")
    arguments = [
        "index",
        tmp_path / "in",
        film,
        "--weights",
        weights,
        "--min-score",
        "0",
        "--batch-size",
        "2",
    ]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = subprocess.run(
        [*torchrun, "commands.main", *map(str, arguments), "--out", str(tmp_path / "shared")],
        cwd=ROOT,
        env={**os.environ, "PERSON_SEARCH_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    PersonSearcher(weights).index([tmp_path / "in", film], tmp_path / "alone", options())
    assert rows_of(tmp_path / "shared") == rows_of(tmp_path / "alone")
