"""Which people: by source, camera, time and score."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate

import numpy as np
import pyarrow as pa

from person_search.index.arrays import Mask, codes_of, is_there, microseconds, numbers
from pipeline.basics.errors import UserError

COLUMNS = ["source", "time", "camera", "score"]
"""The columns that a selection looks at."""


def check_times(after: datetime | None, before: datetime | None) -> None:
    """Raise `UserError` where no time is both at or after the one and before the other."""
    if after is not None and before is not None and after >= before:
        first, second = (time.astimezone(UTC).isoformat(" ") for time in (after, before))
        raise UserError(
            f"no time is at or after {first} and before {second}: give an earlier first or a later second one"
        )


@dataclass(frozen=True)
class Selection:
    """People for whom all of this is true; without any of it, all people.

    Attributes:
        sources: the source is one of these, or fits one as a pattern (`*`, `?` and `[abc]`; `*` stands for
            slashes, too). Empty: any.
        exclude_sources: the source is none of these, and fits none.
        cameras: the camera is one of these. Empty: any, and none.
        after: the time is this or later. People without a time are left out.
        before: the time is earlier. People without a time are left out.
        min_score: the detector's score is this or more.
    """

    sources: Sequence[str] = ()
    exclude_sources: Sequence[str] = ()
    cameras: Sequence[str] = ()
    after: datetime | None = None
    before: datetime | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is never meant.

        Raises:
            ValueError: a text where a list of texts belongs, or a time without a time zone.
        """
        for name in ("sources", "exclude_sources", "cameras"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is a list of texts, not one text")
        for moment in (self.after, self.before):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("a time has no time zone")

    @property
    def selects_all(self) -> bool:
        """Whether nothing is asked for."""
        return not (self._of_source or self._of_person)

    @property
    def by_source_alone(self) -> bool:
        """Whether it selects all people of a source or none."""
        return self._of_source and not self._of_person

    def has_source(self, source: str) -> bool:
        """Tell whether a source fits."""
        return self._fits_source()(source)

    def mask(self, people: pa.Table) -> Mask:
        """Return `[N]`, which people of a table it selects.

        Args:
            people: at least `COLUMNS`, texts as dictionaries.
        """
        mask: Mask = np.ones(len(people), dtype=np.bool_)
        if self._of_source:
            mask &= where_text(people.column("source"), self._fits_source())
        if self.cameras:
            mask &= where_text(people.column("camera"), frozenset(self.cameras).__contains__)
        if self.after is not None or self.before is not None:
            mask &= self._in_time(people.column("time"))
        if self.min_score is not None:
            # As a float32: a score that prints as the bound is not below it.
            mask &= numbers(people.column("score"), np.float32) >= np.float32(self.min_score)
        return mask

    def _in_time(self, times: pa.ChunkedArray) -> Mask:
        values, mask = numbers(times, np.int64), is_there(times)
        if self.after is not None:
            mask &= values >= microseconds(self.after)
        if self.before is not None:
            mask &= values < microseconds(self.before)
        return mask

    @property
    def _of_source(self) -> bool:
        return bool(self.sources or self.exclude_sources)

    @property
    def _of_person(self) -> bool:
        return bool(self.cameras) or any(one is not None for one in (self.after, self.before, self.min_score))

    def _fits_source(self) -> Callable[[str], bool]:
        wanted, unwanted = _one_of(self.sources), _one_of(self.exclude_sources)
        return lambda source: (not self.sources or wanted(source)) and not unwanted(source)


def where_text(column: pa.ChunkedArray, fits: Callable[[str], bool]) -> Mask:
    """Return `[N]`, where the texts of a column of dictionaries fit; a missing one does not."""
    masks = list[Mask]()
    for chunk in column.chunks:
        names = np.array([*map(fits, chunk.dictionary.to_pylist()), False], dtype=np.bool_)
        masks.append(names[codes_of(chunk)])
    return np.concatenate(masks) if masks else np.zeros(0, dtype=np.bool_)


def _one_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    exact = frozenset(patterns)
    globs = [re.compile(translate(pattern)).match for pattern in patterns if set(pattern) & set("*?[")]
    return lambda text: text in exact or any(glob(text) for glob in globs)
