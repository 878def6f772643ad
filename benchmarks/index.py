"""How long an index of a million people takes to answer, cold and warm, and how long to tell known files.

Run as `python -m benchmarks.index`; exit code 1 where a bound is not met or two ways find different people.
The store is drawn first, in TMPDIR (0.6 GB). Each way answers in a process of its own. Cold is from the
start of the process to the first answer, with the store's files in the page cache; warm is the median of
later answers. Ways take turns, and of each the fastest turn counts: other work on the machine only adds time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.index_answer import WAYS
from person_search.index.coverage import SourceState
from person_search.index.rows import PeopleRows
from person_search.index.schema import About, schema_of
from person_search.index.store import PeopleStore
from pipeline.basics.environment_variables import THREADS_VARIABLE

DIMENSION = 256
PEOPLE_A_PICTURE = 4
A_COMMIT = 50_000
CAMERAS = 7
ROUNDS = 3
WARM_SECONDS = 1.0
COLD_SECONDS = 3.0
KNOWN_FILES = 10_000
KNOWN_SECONDS = 1.0
EXACT = ("float16", "float32")
"""The ways that the bounds are of; FAISS builds its index anew in each process, which takes longer."""
TABLE_WIDTH = 110


class Answer(NamedTuple):
    """What one process took, in seconds, its peak memory, and whom it found."""

    cold: float
    warm: float
    camera: float
    peak_gib: float
    hits: str


@click.command()
@click.option("--people", default=1_000_000, show_default=True, help="How many people the store has.")
@click.option("--threads", default=2, show_default=True, help="Threads that load and multiply.")
def main(people: int, threads: int) -> None:
    """Time every way and print the table."""
    os.environ[THREADS_VARIABLE] = str(threads)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        draw(Path(folder) / "people", people)
        drawn = time.perf_counter() - begin
        answers: dict[str, list[Answer]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                answers[way].append(answer(Path(folder) / "people", way))
    known = known_files()
    best = {way: fastest(own) for way, own in answers.items()}
    title = f"{people:,} people, {DIMENSION}-d, {threads} threads, best of {ROUNDS}; drawn in {drawn:.0f} s"
    show(best, title)
    click.echo(f"{KNOWN_FILES:,} known files: {known:.2f} s (at most {KNOWN_SECONDS:.0f})")
    if len({own.hits for own in best.values()}) > 1:
        raise click.ClickException("the ways find different people")
    slow = [way for way in EXACT if best[way].warm > WARM_SECONDS or best[way].cold > COLD_SECONDS]
    if slow or known > KNOWN_SECONDS:
        raise click.ClickException(f"too slow: {', '.join(slow) or 'known files'}")


def draw(folder: Path, people: int) -> None:
    """Make a store of drawn people: a few in a picture, cameras that take turns."""
    store = PeopleStore.create(folder, About("0" * 64, DIMENSION))
    rng = np.random.default_rng(0)
    with store.writing() as writer:
        for first in range(0, people, A_COMMIT):
            numbers = range(first, min(first + A_COMMIT, people))
            pictures = [number // PEOPLE_A_PICTURE for number in numbers]
            sources = [f"/data/camera {one % CAMERAS}/2026/{one:08d}.jpg" for one in pictures]
            embeddings = rng.standard_normal((len(numbers), DIMENSION), dtype=np.float32)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            rows = PeopleRows(
                source=sources,
                frame=np.zeros(len(numbers), dtype=np.int32),
                time=[datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=one) for one in pictures],
                camera=[f"camera {one % CAMERAS}" for one in pictures],
                boxes=rng.random((len(numbers), 4), dtype=np.float32) * 1000,
                scores=rng.random(len(numbers), dtype=np.float32),
                embeddings=embeddings,
            )
            writer.commit(rows, dict.fromkeys(sources, SourceState(100_000, 1_767_225_600_000_000_000)))


def answer(folder: Path, way: str) -> Answer:
    """Start a process that answers, and return what it took."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.index_answer", str(folder), way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        hits = process.stdout.readline()
        cold = time.perf_counter() - begin
        rest = process.stdout.read()
    if process.returncode:
        raise click.ClickException(f"{way}: the process ended with exit code {process.returncode}")
    return Answer(cold=cold, hits=hits, **json.loads(rest))


def fastest(answers: list[Answer]) -> Answer:
    """Return the shortest times of several processes, and the highest memory."""
    return Answer(
        cold=min(one.cold for one in answers),
        warm=min(one.warm for one in answers),
        camera=min(one.camera for one in answers),
        peak_gib=max(one.peak_gib for one in answers),
        hits=answers[0].hits,
    )


def known_files() -> float:
    """Return how long a store takes to tell which of many files it knows, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        store = PeopleStore.create(Path(folder) / "people", About("0" * 64, DIMENSION))
        states = {f"/data/2026/{number:08d}.jpg": SourceState(number, 0) for number in range(KNOWN_FILES)}
        store.commit(schema_of(store.about).empty_table(), states)
        begin = time.perf_counter()
        assert PeopleStore.open(store.path).sources() == states
        return time.perf_counter() - begin


def show(answers: dict[str, Answer], title: str) -> None:
    """Print the table."""
    table = Table(title=title)
    table.add_column("embeddings in memory", no_wrap=True)
    for column in ("cold, s", "bound", "warm, s", "bound", "one camera, s", "peak GiB"):
        table.add_column(column, justify="right")
    for way, one in answers.items():
        bounds = (f"{COLD_SECONDS:.0f}", f"{WARM_SECONDS:.0f}") if way in EXACT else ("", "")
        table.add_row(
            way,
            f"{one.cold:.2f}",
            bounds[0],
            f"{one.warm:.3f}",
            bounds[1],
            f"{one.camera:.3f}",
            f"{one.peak_gib:.2f}",
        )
    Console(width=TABLE_WIDTH).print(table)


if __name__ == "__main__":
    main()
