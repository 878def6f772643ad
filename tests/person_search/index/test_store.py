"""The store: what is refused, what a commit does, one writer at a time, a full disk."""

import errno
import json
import os
import resource
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from person_search.index import fragments, locks, writer
from person_search.index.coverage import SourceState
from person_search.index.fragments import COVERAGE_KEY
from person_search.index.rows import PeopleRows
from person_search.index.schema import ABOUT_KEY, About, schema_of
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from pipeline.basics.errors import UserError
from tests.person_search.index.drawn import (
    ABOUT,
    DIMENSION,
    START,
    STATE,
    Person,
    people_in,
    rows_of,
    seen,
    seen_by_others,
    unit,
)

NO_ROWS = rows_of([])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people"


@pytest.fixture
def store(path):
    return PeopleStore.create(path, ABOUT)


def files(path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


# What it is.


def test_neither_torch_nor_pandas_nor_faiss_is_imported():
    code = (
        "import sys, person_search.index.store, person_search.index.ranking, person_search.index.faiss;"
        "print([name for name in ('torch', 'pandas', 'faiss', 'duckdb') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_search_imports_neither_torch_nor_pandas(store):
    store.commit(rows_of([Person("a", 0, 1, "hall", 3)]), {"a": STATE})
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; import numpy as np\n"
        "from person_search.index.store import PeopleStore\n"
        "from person_search.index.selection import Selection\n"
        "from person_search.index.ranking import rank\n"
        "where = Selection(['a*'], ['b'], ['hall'], datetime(2026, 1, 1, tzinfo=UTC), min_score=0.1)\n"
        f"hits = rank(PeopleStore.open(Path({str(store.path)!r})), np.ones((1, {DIMENSION})), where=where)\n"
        "print(len(hits), [name for name in ('torch', 'pandas') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "1 []"


def test_a_store_without_people_is_a_store(store):
    assert seen(store.path) == seen_by_others(store.path) == []
    assert store.sources() == {}
    assert PeopleStore.open(store.path).about == ABOUT


def test_schema_and_metadata_of_a_file(store):
    store.commit(rows_of([Person("a", 0, 1)]), {"a": STATE, "b": SourceState(1, 2)})
    file = sorted(store.path.iterdir())[-1]
    schema = pq.read_schema(file)
    assert schema.names == ["source", "frame", "time", "camera", "x1", "y1", "x2", "y2", "score", "embedding"]
    element = pa.field("item", pa.float16(), nullable=False)
    assert schema.field("embedding").type == pa.list_(element, DIMENSION)
    assert json.loads(schema.metadata[ABOUT_KEY]) == {
        "model_hash": ABOUT.model_hash,
        "embedding_dim": DIMENSION,
        "preprocessing": {"size": [640, 480]},
        "dtype": "float16",
        "format_version": 1,
        "weights": "",
    }
    covered = json.loads(pq.read_metadata(file).metadata[COVERAGE_KEY])
    assert (covered["source"], covered["size"], covered["mtime_ns"]) == (["a", "b"], [100, 1], [200, 2])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_embeddings_are_kept_as_given_up_to_the_dtype(path, dtype):
    own = About("cd", DIMENSION, {}, dtype)
    store = PeopleStore.create(path, own)
    store.commit(rows_of([Person("a", 0, number) for number in range(5)]), {"a": STATE})
    with store.snapshot() as snapshot:
        kept = np.array(snapshot.table().column("embedding").to_pylist())
    np.testing.assert_array_equal(kept, unit(range(5)).astype(dtype))


def test_a_table_may_be_given_instead_of_arrays(store, tmp_path):
    people = [Person("a", 2, 5, "hall", 7), Person("a", 0, 3)]
    other = PeopleStore.create(tmp_path / "other", ABOUT)
    store.commit(rows_of(people), {"a": STATE})
    wide = schema_of(About("x", DIMENSION, {}, "float32"))
    table = rows_of(people).table(About("x", DIMENSION, {}, "float32")).cast(wide).select(wide.names[::-1])
    other.commit(table, {"a": STATE})
    assert files(store.path) == files(other.path)


def test_creating_twice_opens(store):
    before = files(store.path)
    assert PeopleStore.create(store.path, ABOUT).about == ABOUT
    assert files(store.path) == before


# What is refused.


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (About("cd" * 32, DIMENSION, ABOUT.preprocessing), ["model abababababab,", "model cdcdcdcdcdcd:"]),
        (About("ab" * 32, 4, ABOUT.preprocessing), ["dimension 8,", "dimension 4:"]),
        (About("ab" * 32, DIMENSION, {"size": 1}), ['{"size": [640, 480]}', '{"size": 1}']),
        (About("ab" * 32, DIMENSION, ABOUT.preprocessing, "float32"), ["float16", "float32"]),
    ],
)
def test_another_model_is_refused_in_a_line_that_names_both(store, other, named):
    for call in (PeopleStore.open, PeopleStore.create):
        with pytest.raises(UserError) as caught:
            call(store.path, other)
        line = str(caught.value)
        assert "\n" not in line and str(store.path) in line and all(text in line for text in named)


def test_another_format_is_refused(store):
    file = store.path / "people-00000000.parquet"
    table = pq.read_table(file)
    about = json.loads(table.schema.metadata[ABOUT_KEY]) | {"format_version": 2}
    pq.write_table(table.replace_schema_metadata({ABOUT_KEY: json.dumps(about).encode()}), file)
    with pytest.raises(UserError, match=r"format 2, this program reads format 1"):
        PeopleStore.open(store.path)


def test_a_folder_that_is_no_store(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        PeopleStore.open(tmp_path / "none")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="no store of people"):
        PeopleStore.open(tmp_path)
    with pytest.raises(UserError, match=r"photo\.jpg"):
        PeopleStore.create(tmp_path, ABOUT)
    with pytest.raises(UserError, match="is a file"):
        PeopleStore.create(tmp_path / "photo.jpg", ABOUT)
    with pytest.raises(UserError, match="no such folder"):
        PeopleStore.open(tmp_path / "photo.jpg")


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "text"])
def test_a_damaged_file_is_named(store, damage):
    store.commit(rows_of([Person("a", 0, number) for number in range(50)]), {"a": STATE})
    file = sorted(store.path.iterdir())[-1]
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        place = content.find(unit([7]).astype(np.float16).tobytes())
        assert place > 0
        content[place] ^= 1
    file.write_bytes({"cut": content[:-20], "empty": b"", "flipped": content, "text": b"hello" * 50}[damage])
    with pytest.raises(UserError, match=f"{file.name} is damaged"):
        seen(store.path)


def test_a_file_of_another_program_or_store_is_named(store, tmp_path):
    strange = store.path / "people-00000001.parquet"
    pq.write_table(pa.table({"a": [1]}), strange)
    with pytest.raises(UserError, match=r"people-00000001\.parquet"):
        PeopleStore.open(store.path)
    other = PeopleStore.create(tmp_path / "other", About("cd", DIMENSION))
    strange.write_bytes((other.path / "people-00000000.parquet").read_bytes())
    with pytest.raises(UserError, match=r"people-00000001\.parquet is of another store than people-00000000"):
        PeopleStore.open(store.path)


def test_other_files_in_the_folder_are_passed_over(store):
    store.commit(rows_of([Person("a", 0, 1)]), {"a": STATE})
    for name in ("notes.txt", "people-1.parquet", "other.parquet", ".people-00000009.parquet.7.tmp"):
        (store.path / name).write_bytes(b"x")
    assert len(seen(store.path)) == 1


def changed(**columns):
    people = rows_of([Person("a", 0, 1), Person("a", 3, 2)])
    return PeopleRows(**{**people.__dict__, **columns})


@pytest.mark.parametrize(
    "rows",
    [
        changed(source=["a", "c"]),
        changed(frame=[0, -1]),
        changed(frame=[0, 11]),
        changed(time=[None, datetime(2026, 1, 1)]),
        changed(embeddings=unit([1, 2]) * 2),
        changed(embeddings=unit([1, 2]) * np.nan),
        changed(embeddings=unit([1, 2], 4)),
        changed(embeddings=unit([1])),
        changed(scores=np.array([0.5, np.inf])),
        changed(boxes=np.full((2, 4), np.nan)),
        changed(source=["a", None]),
        changed(source=["a", "\udcff"]),
        rows_of([Person("a", 0, 1)]).table(ABOUT).drop_columns(["score"]),
    ],
)
def test_rows_that_cannot_be_are_refused_and_nothing_is_written(store, rows):
    before = files(store.path)
    with pytest.raises(ValueError):
        store.commit(rows, {"a": SourceState(1, 2, complete=False, last_frame=10)})
    assert files(store.path) == before


@pytest.mark.parametrize("first", [0, 12, 20])
def test_a_video_is_continued_without_a_gap(store, first):
    store.commit(NO_ROWS, {"v": SourceState(1, 2, complete=False, last_frame=10), "a": STATE})
    with pytest.raises(ValueError, match="cannot be continued"):
        store.commit(NO_ROWS, {"v": SourceState(1, 2)}, {"v": first})
    with pytest.raises(ValueError, match="cannot be continued"):
        store.commit(NO_ROWS, {"v": SourceState(1, 3)}, {"v": 11})
    with pytest.raises(ValueError, match="cannot be continued"):
        store.commit(NO_ROWS, {"a": STATE}, {"a": 11})
    with pytest.raises(ValueError, match="no sources"):
        store.commit(NO_ROWS, {"a": STATE}, {"v": 11})


def test_a_dtype_or_dimension_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="bfloat16"):
        About("a", 4, {}, "bfloat16")
    with pytest.raises(ValueError, match="0 numbers"):
        About("a", 0)


# What a commit does.


def test_a_source_is_replaced(store):
    store.commit(rows_of([Person("a", 0, 1), Person("b", 0, 2)]), {"a": STATE, "b": STATE})
    store.commit(rows_of([Person("a", 0, 3)]), {"a": SourceState(9, 9)})
    assert seen(store.path) == seen_by_others(store.path) == [Person("a", 0, 3), Person("b", 0, 2)]
    assert store.sources() == {"a": SourceState(9, 9), "b": STATE}


def test_a_picture_without_people_is_known_and_may_lose_its_people(store):
    store.commit(rows_of([Person("a", 0, 1)]), {"a": STATE, "b": STATE})
    store.commit(NO_ROWS, {"a": SourceState(2, 3)})
    assert seen(store.path) == []
    assert store.sources() == {"a": SourceState(2, 3), "b": STATE}


def test_a_video_grows_and_is_replaced(store):
    def state(last):
        return SourceState(1, 2, complete=last is None, last_frame=last)

    with store.writing() as own:
        own.commit(rows_of([Person("v", 0, 1), Person("v", 10, 2)]), {"v": state(10)})
        own.commit(rows_of([Person("v", 11, 3)]), {"v": state(20)}, {"v": 11})
        assert own.sources() == {"v": state(20)}
        own.commit(rows_of([Person("v", 15, 4)]), {"v": state(None)}, {"v": 11})
    assert seen(store.path) == [Person("v", 0, 1), Person("v", 10, 2), Person("v", 15, 4)]
    store.commit(rows_of([Person("v", 12, 5)]), {"v": SourceState(7, 7)})
    assert seen(store.path) == seen_by_others(store.path) == [Person("v", 12, 5)]


def test_the_same_commits_give_the_same_bytes(tmp_path):
    contents = []
    for name in ("one", "two"):
        store = PeopleStore.create(tmp_path / name, ABOUT)
        with store.writing() as own:
            for number in range(40):
                source = f"s{number % 30}"
                own.commit(rows_of([Person(source, 0, number), Person(source, 0, 100)]), {source: STATE})
        contents.append(files(store.path))
    assert contents[0] == contents[1]


def test_small_files_are_merged_as_they_come_and_at_the_end(store):
    with store.writing() as own:
        most = 0
        for number in range(100):
            own.commit(rows_of([Person(f"s{number}", 0, number)]), {f"s{number}": STATE})
            most = max(most, len(list(store.path.iterdir())))
    assert most <= 1 + 2 * writer.COMMITS_BETWEEN
    assert len(list(store.path.iterdir())) == 2  # the first one, without people, and the merged one
    assert [one.number for one in sorted(seen(store.path), key=lambda one: one.number)] == list(range(100))


def test_merged_files_have_a_bounded_size(store, monkeypatch):
    monkeypatch.setattr(writer, "LARGEST", 10)
    monkeypatch.setattr(writer, "SIZES", (10,))
    with store.writing() as own:
        for number in range(20):
            people = [Person(f"s{number}", 0, 10 * number + place) for place in range(4)]
            own.commit(rows_of(people), {f"s{number}": STATE})
    rows = [pq.read_metadata(file).num_rows for file in store.path.iterdir()]
    assert max(rows) <= 10 and sum(rows) == 80


def test_people_of_a_frame_stay_in_their_order(store):
    people = [Person("b", 0, 5), Person("a", 1, 9), Person("a", 0, 7), Person("a", 0, 3), Person("a", 0, 8)]
    store.commit(rows_of(people), {"a": STATE, "b": STATE})
    store.commit(rows_of([Person("c", 0, 1)]), {"c": STATE})
    with store.snapshot() as snapshot:
        numbers = snapshot.table(["x1"]).column("x1").to_pylist()
    assert numbers == [7, 3, 8, 9, 5, 1]


def test_ten_thousand_known_files_are_told(store):
    folder = "/data/pictures of 2026/camera 7"
    known = {f"{folder}/{number:06d}.jpg": SourceState(number, number) for number in range(10_000)}
    store.commit(NO_ROWS, known)
    assert store.sources() == known


def test_a_commit_of_nothing_writes_nothing(store):
    before = files(store.path)
    store.commit(NO_ROWS, {})
    assert files(store.path) == before


def test_a_folder_may_have_any_name(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + "/Straße 'a' \n".encode() + b"\xff"))
    store = PeopleStore.create(path, ABOUT)
    store.commit(rows_of([Person("a", 0, 1)]), {"a": STATE})
    assert len(seen(path)) == 1
    with pytest.raises(UserError) as caught:
        PeopleStore.open(path, About("cd", DIMENSION))
    assert "\n" not in str(caught.value)


# Removing.


def filled(store):
    people = [
        Person("north/a.jpg", 0, 1, "hall", 1),
        Person("north/b.jpg", 0, 2, "door", 2),
        Person("south/a.jpg", 0, 3, "hall", 3),
        Person("south/[1].jpg", 0, 4, None, None),
        Person("south/1.jpg", 0, 5, "yard", 5),
    ]
    sources = {one.source: STATE for one in people} | {"empty.jpg": STATE}
    store.commit(rows_of(people), sources)
    return people


def hour(number):
    return START + timedelta(hours=number)


@pytest.mark.parametrize(
    ("where", "gone"),
    [
        (Selection(sources=["north/a.jpg"]), [1]),
        (Selection(sources=["north/*", "south/a.jpg"]), [1, 2, 3]),
        (Selection(sources=["south/[1].jpg"]), [4, 5]),
        (Selection(sources=["*"], exclude_sources=["north/*"]), [3, 4, 5]),
        (Selection(cameras=["hall"]), [1, 3]),
        (Selection(before=hour(3)), [1, 2]),
        (Selection(after=hour(3)), [3, 5]),
        (Selection(after=hour(2), before=hour(3)), [2]),
        (Selection(sources=["south/*"], cameras=["hall", "yard"]), [3, 5]),
        (Selection(sources=["nothing"]), []),
        (Selection(cameras=["nothing"]), []),
    ],
)
def test_removing(store, where, gone):
    people = filled(store)
    removed = store.remove(where)
    left = sorted((one for one in people if one.number not in gone), key=lambda one: one.source)
    assert removed.people == len(gone)
    assert seen(store.path) == seen_by_others(store.path) == left
    lost = {one.source for one in people if one.number in gone}
    if where.by_source_alone:
        lost |= {"empty.jpg"} if where.has_source("empty.jpg") else set()
        assert lost.isdisjoint(store.sources())
    else:
        assert len(store.sources()) == 6  # unchanged files are not read again
    assert set(removed.sources) == lost


def test_removing_all_is_not_meant(store):
    with pytest.raises(ValueError, match="name a source"):
        store.remove(Selection())


def test_pruning_keeps_what_exists(store):
    people = filled(store)
    removed = store.prune({"north/a.jpg", "empty.jpg", "a new one"})
    assert (removed.people, len(removed.sources)) == (4, 4)
    assert seen(store.path) == people[:1]
    assert set(store.sources()) == {"north/a.jpg", "empty.jpg"}
    assert store.prune({"north/a.jpg", "empty.jpg"}).sources == ()


def test_what_is_removed_is_on_no_disk(store):
    filled(store)
    store.remove(Selection(sources=["south/*"]))
    store.remove(Selection(cameras=["door"]))
    content = b"".join(files(store.path).values())
    assert b"south/" not in content and b"door" not in content and b"hall" in content


# Writers and readers.


def test_one_writer_at_a_time(store):
    with store.writing():
        for call in (lambda: store.commit(NO_ROWS, {"a": STATE}), lambda: store.prune(set())):
            with pytest.raises(UserError, match="another process is writing to"):
                call()
        assert seen(store.path) == []
    store.commit(NO_ROWS, {"a": STATE})


def test_a_lock_goes_with_an_error(store):
    with pytest.raises(KeyError), store.writing() as own:
        own.commit(rows_of([Person("a", 0, 1)]), {"a": STATE})
        raise KeyError
    store.commit(rows_of([Person("b", 0, 2)]), {"b": STATE})
    assert len(seen(store.path)) == 2


def test_a_disk_without_locks_is_warned_of(store, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refused)
    with pytest.warns(UserWarning, match="has no locks"):
        store.commit(NO_ROWS, {"a": STATE})
    assert set(store.sources()) == {"a"}


def test_several_processes_of_one_run_write_side_by_side(store, monkeypatch):
    store.commit(rows_of([Person("a", 0, 1), Person("b", 0, 2)]), {"a": STATE, "b": STATE})
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.0)
    one, two = store.writing(0, 2), store.writing(1, 2)
    with one:
        with two:
            with pytest.raises(UserError, match="another process"):
                store.commit(NO_ROWS, {"x": STATE})
            for number in range(40):
                one.commit(rows_of([Person(f"c{number}", 0, number)]), {f"c{number}": STATE})
                two.commit(rows_of([Person(f"d{number}", 0, number)]), {f"d{number}": STATE})
            one.commit(rows_of([Person("a", 0, 70)]), {"a": STATE})
            two.commit(rows_of([Person("b", 0, 71)]), {"b": STATE})
            with pytest.raises(ValueError, match="alone"):
                two.remove(Selection(sources=["a"]))
            with pytest.raises(ValueError, match="alone"):
                two.prune(set())
            before = seen(store.path)
        assert seen(store.path) == before
    assert seen(store.path) == seen_by_others(store.path) == before
    assert [one.number for one in before if one.source in "ab"] == [70, 71]
    assert len(before) == 82
    assert len(list(store.path.iterdir())) == 2


def test_a_name_that_another_run_has_taken_is_not_written_over(store):
    with store.writing(1, 2) as one, store.writing(1, 2) as two:
        one.commit(rows_of([Person("a", 0, 1)]), {"a": STATE})
        two.commit(rows_of([Person("b", 0, 2)]), {"b": STATE})
    assert len(seen(store.path)) == 2


def test_a_reader_keeps_its_state_while_a_writer_changes_all(store):
    people = filled(store)
    with store.snapshot() as snapshot:
        store.remove(Selection(sources=["north/*"]))
        for number in range(3):
            store.commit(rows_of([Person("south/a.jpg", 0, 10 + number)]), {"south/a.jpg": STATE})
        assert people_in(snapshot.table()) == sorted(people, key=lambda one: one.source)


# A full disk.


def test_a_full_disk_leaves_the_store_as_it_was(store, monkeypatch):
    filled(store)
    before = files(store.path)

    def no_space(path, _content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(fragments, "write_atomically", no_space)
    for call in (
        lambda: store.commit(rows_of([Person("new", 0, 9)]), {"new": STATE, "north/a.jpg": STATE}),
        lambda: store.remove(Selection(sources=["north/*"])),
        lambda: store.remove(Selection(cameras=["hall"])),
        lambda: store.prune(set()),
    ):
        with pytest.raises(OSError, match="No space left"):
            call()
        assert files(store.path) == before


def test_a_disk_that_fills_in_the_middle_of_a_file(store):
    filled(store)
    before = files(store.path)
    people = [Person("new", 0, number) for number in range(2000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError) as caught:
            store.commit(rows_of(people), {"new": STATE})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG and "people-" in str(caught.value.filename)
    assert files(store.path) == before
    store.commit(rows_of(people), {"new": STATE})
    assert len(seen(store.path)) == 2005


def test_a_disk_that_fills_while_stale_rows_are_removed(store, monkeypatch):
    """The change is made, and stays made, whatever the same writer does next."""
    monkeypatch.setattr(writer, "SIZES", (0,))
    for name in ("a", "b", "c"):
        store.commit(rows_of([Person(name, 0, ord(name))]), {name: STATE})
    with store.writing() as own:
        real, calls = fragments.write_atomically, []

        def fills_up(path, content):
            calls.append(path)
            if len(calls) > 1:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            real(path, content)

        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(fragments, "write_atomically", fills_up)
            own.remove(Selection(sources=["a", "b"]))
        assert seen(store.path) == [Person("c", 0, ord("c"))]
        own.commit(rows_of([Person("a", 0, 7)]), {"a": STATE})
        assert seen(store.path) == [Person("a", 0, 7), Person("c", 0, ord("c"))]
    with store.writing():
        assert seen(store.path) == seen_by_others(store.path) == [Person("a", 0, 7), Person("c", 0, ord("c"))]
