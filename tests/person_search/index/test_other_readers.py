"""Other programs read the folder as it is: pyarrow, DuckDB, pandas, Polars, LanceDB."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow.dataset
import pytest

from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import rank
from person_search.index.rows import PeopleRows
from person_search.index.schema import About
from person_search.index.store import PeopleStore
from tests.person_search.index.drawn import ABOUT, START, STATE, Person, people_in, rows_of, seen, unit

DOCS = Path(__file__).parents[3] / "docs" / "index.md"
PEOPLE = [
    Person("a ä 'x'.jpg", 0, 1, "hall", 1),
    Person("b.mp4", 7, 2, None, None),
    Person("b.mp4", 9, 3, "door", 2),
]


@pytest.fixture(params=["float16", "float32"])
def path(request, tmp_path):
    """A store of two files, the first without people, as a writer has it open that is about to write."""
    path = tmp_path / "people"
    about = About(ABOUT.model_hash, ABOUT.embedding_dim, {}, request.param)
    store = PeopleStore.create(path, about)
    with store.writing() as own:
        own.commit(rows_of(PEOPLE), {one.source: STATE for one in PEOPLE})
        yield path


def check(embeddings):
    """Check the embeddings of `PEOPLE`, in their order."""
    np.testing.assert_allclose(np.array(embeddings, np.float32), unit([1, 2, 3]), atol=1e-3)


def test_pyarrow(path):
    table = pyarrow.dataset.dataset(path).to_table().sort_by("x1")
    assert people_in(table) == PEOPLE
    check(table.column("embedding").to_pylist())
    hall = pyarrow.dataset.field("camera") == "hall"
    assert pyarrow.dataset.dataset(path).to_table(filter=hall).num_rows == 1


def test_duckdb(path):
    found = duckdb.execute(
        "SELECT source, frame, epoch_us(time), camera, x1, embedding FROM read_parquet(?) ORDER BY x1",
        [f"{path}/*.parquet"],
    ).fetchall()
    hour = 3_600_000_000
    start = int(START.timestamp()) * 1_000_000
    assert [row[:5] for row in found] == [
        ("a ä 'x'.jpg", 0, start + hour, "hall", 1),
        ("b.mp4", 7, None, None, 2),
        ("b.mp4", 9, start + 2 * hour, "door", 3),
    ]
    check([row[5] for row in found])
    query = unit([2])[0].tolist()
    best = duckdb.execute(
        "SELECT x1 FROM read_parquet(?) ORDER BY list_inner_product(embedding, ?::FLOAT[]) DESC LIMIT 1",
        [f"{path}/*.parquet", query],
    ).fetchone()
    assert best == (2,)


def test_pandas(path):
    table = pandas.read_parquet(path).sort_values("x1")
    assert table["source"].tolist() == [one.source for one in PEOPLE]
    assert str(table["time"].dt.tz) == "UTC"
    check(np.stack(table["embedding"].to_list()))


@pytest.mark.parametrize("pattern", ["", "/", "/*.parquet"])
def test_polars(path, pattern):
    table = polars.scan_parquet(f"{path}{pattern}").sort("x1").collect()
    assert table["source"].to_list() == [one.source for one in PEOPLE]
    assert isinstance(table.schema["embedding"], polars.Array)
    check(table["embedding"].to_numpy())


def test_an_empty_store_is_read_by_all(tmp_path):
    path = tmp_path / "people"
    PeopleStore.create(path, ABOUT)
    assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [f"{path}/*.parquet"]).fetchone() == (0,)
    assert len(pandas.read_parquet(path)) == polars.scan_parquet(path).collect().height == 0
    assert seen(path) == []


def clustered(count, dimension=32):
    """Return `[N, D]` of unit length: photographs of a few hundred people, as a network sees them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dimension))
    drawn = centres[rng.integers(0, 200, count)] + 0.5 * rng.standard_normal((count, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def test_the_ten_lines_of_the_docs_load_lancedb(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors = clustered(4000)
    count = len(vectors)
    names = [f"p{number:05d}.jpg" for number in range(count)]
    rows = PeopleRows(
        names,
        [0] * count,
        [None] * count,
        ["hall" if number % 2 else "door" for number in range(count)],
        np.ones((count, 4), np.float32),
        np.ones(count, np.float32),
        vectors,
    )
    store = PeopleStore.create(tmp_path / "people", About("ab", vectors.shape[1], {}, "float16"))
    store.commit(rows, dict.fromkeys(names, STATE))
    (code,) = re.findall(r"```python\n(import lancedb.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    with store.snapshot() as snapshot:
        own = LoadedPeople.of(snapshot)
    shared = total = 0
    space = {"query": vectors[0]}
    exec(compile(code, "docs/index.md", "exec"), space)
    search = compile(code.partition("# search\n")[2], "docs/index.md", "exec")
    for number in range(20):
        space["query"] = vectors[number]
        exec(search, space)
        found = [hit["source"] for hit in space["hits"]]
        wanted = [hit.source for hit in rank(own, vectors[number : number + 1], 20)]
        shared, total = shared + len(set(found) & set(wanted)), total + len(wanted)
    assert shared / total >= 0.9
