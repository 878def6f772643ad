"""Person search on one's own pictures and videos: detect, embed, index, find, export.

from person_search import PersonSearcher
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from person_search.searcher import PersonSearcher

__all__ = ["PersonSearcher"]


def __getattr__(name: str) -> Any:
    """Import `PersonSearcher` when it is asked for: importing a part of this package is quick."""
    if name != "PersonSearcher":
        raise AttributeError(f"module 'person_search' has no attribute {name!r}")
    from person_search.searcher import PersonSearcher  # noqa: PLC0415

    return PersonSearcher
