"""One process of `benchmarks.index`: it opens a store, answers a query, then answers it again, warm.

Run as `python -m benchmarks.index_answer FOLDER WAY`; it prints a line with the first answer, and one with
what it measured.
"""

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import Searchable, rank
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore

WAYS = ("float16", "float32", "faiss flat", "faiss fp16")
ROUNDS = 5
TOP = 20
KIB_A_GIB = 1 << 20


def searchable(folder: Path, way: str) -> Searchable:
    """Load a store's people as a way of searching needs them."""
    with PeopleStore.open(folder).snapshot() as snapshot:
        if not way.startswith("faiss"):
            return LoadedPeople.of(snapshot, dtype=way)
        from person_search.index.faiss import FaissPeople  # noqa: PLC0415 (its import is a part of what it costs)

        return FaissPeople(LoadedPeople.of(snapshot), "flat" if way.endswith("flat") else "fp16")


def seconds(people: Searchable, query: npt.NDArray[np.float64], where: Selection | None) -> float:
    """Return the median time of an answer."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        rank(people, query, TOP, where)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main(folder: str, way: str) -> None:
    """Answer."""
    people = searchable(Path(folder), way)
    query = np.random.default_rng(1).standard_normal((1, people.about.embedding_dim))
    hits = [[hit.source, hit.frame, hit.box[0]] for hit in rank(people, query, TOP)]
    print(json.dumps(hits), flush=True)  # noqa: T201
    measured = {
        "warm": seconds(people, query, None),
        "camera": seconds(people, query, Selection(cameras=["camera 1"])),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_GIB,
    }
    print(json.dumps(measured), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
