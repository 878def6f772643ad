"""The search of `person-search find` in an index."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from commands.hits import counted, is_to_choose, show
from commands.querying import Query, looked_for
from person_search.index.faiss import FaissPeople
from person_search.index.loaded import LoadedPeople
from person_search.index.ranking import rank
from person_search.index.selection import Selection, check_times
from person_search.index.store import PeopleStore
from person_search.searcher import PersonSearcher
from person_search.sources.frames import path_of
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable


def look_in_index(
    weights: Path | None,
    queries: Sequence[Query],
    index: Path,
    *,
    top: int,
    min_score: float,
    filters: Mapping[str, Any],
    faiss: bool,
    **output: Any,
) -> None:
    """Look for one person in an index, and print who is most similar; see `show` for the output.

    Args:
        weights: of the network; None for where the index says that they are.
        queries: who is looked for. Their own pictures are not looked in.
        index: the folder.
        top: how many hits are shown.
        min_score: detections below it are left out.
        filters: `cameras`, `after` and `before` of a `Selection`.
        faiss: whether FAISS ranks, by embeddings in 16 bits a number.
        output: see `show`.

    Raises:
        UserError: a query, the weights or the index are no good, or they do not belong together; or no time
            is asked for that there is.
    """
    check_times(filters["after"], filters["before"])
    store = PeopleStore.open(index)
    file = weights or weights_of(store)
    searcher = PersonSearcher(file)
    store.about.check(replace(store.about, model_hash=searcher.network.model_hash), index)
    if is_to_choose(searcher, queries, min_score, output):
        return
    wanted = looked_for(searcher, queries, min_score)
    own = [escape(hit.source) for hit in wanted.places]
    where = Selection(min_score=min_score, exclude_sources=own, **filters)
    with store.snapshot() as snapshot:
        people = LoadedPeople.of(snapshot, where)
    hits = rank(FaissPeople(people, "fp16") if faiss else people, wanted.embedding[None], top)
    count = len(people)
    text = f"{counted(count, 'person', 'people')} of {printable(index)}"
    show(wanted, hits, text, {"people": count}, lambda source: source, **output)


def weights_of(store: PeopleStore) -> Path:
    """Return where the network was that made an index. Raises `UserError` where it is there no more."""
    path = path_of(store.about.weights) if store.about.weights else None
    if path is None or not path.is_file():
        where = f" (it was {printable(path)})" if path else ""
        raise UserError(
            f"the network of {printable(store.path)} is not where it was{where}: give --weights FILE"
        )
    return path
