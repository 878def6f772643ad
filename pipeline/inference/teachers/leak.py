"""The leak that is easily overlooked: Market-1501 shows PRW's people, from the same cameras."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.models.weight_files import describe_weights

PRW = "prw"
"""What the names of PRW's data sets begin with here."""
MARKET = "market"


@dataclass(frozen=True)
class TrainedOn:
    """What is known of what a teacher has learned from.

    Attributes:
        stated: names of data sets, as the teacher's owner spells them.
        own: names of this project's data sets, from weight files; a name is that of a layout, too.
        unsaid: names of the teacher's models of which nobody has said anything.
    """

    stated: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


def stated_trained_on(names: Sequence[str] | None, model: str) -> TrainedOn:
    """Return what the owner of a model says; `names` is None where the owner says nothing."""
    return TrainedOn(unsaid=(model,)) if names is None else TrainedOn(stated=tuple(names))


def own_trained_on(weights: Path) -> TrainedOn:
    """Return what a weight file of this project says of what its network has learned from.

    Raises:
        UserError: it is no such file, or damaged.
    """
    origin = describe_weights(weights).origin
    return TrainedOn(unsaid=(str(weights),)) if origin is None else TrainedOn(own=(origin.data_set,))


def all_trained_on(models: Iterable[TrainedOn]) -> TrainedOn:
    """Return what is known of several models together."""
    every = [*models]
    return TrainedOn(
        tuple(name for one in every for name in one.stated),
        tuple(name for one in every for name in one.own),
        tuple(name for one in every for name in one.unsaid),
    )


def shares_people(dataset: str) -> bool:
    """Tell whether another data set shows the people of this one."""
    return dataset.startswith(PRW)


def leak_note(datasets: Sequence[str], trained_on: TrainedOn) -> str | None:
    """Return a line where a teacher has seen a data set's people before, or may have; None where not.

    Args:
        datasets: name of the data set; of a mixed one, those of all parts.
        trained_on: what the teacher has learned from.
    """
    dataset = next(filter(shares_people, datasets), None)
    if dataset is None:
        return None
    notes = []
    if stated := [name for name in trained_on.stated if _is_market(name)]:
        notes.append(
            f"this teacher was trained on {stated[0]}, whose people and footage are those of PRW: do not "
            f"score a student of it on '{dataset}' as if it had not seen them"
        )
    elif any(map(_is_market, trained_on.own)):
        notes.append(
            "this teacher was trained on a data set in Market-1501's layout; if it is Market-1501 itself (or "
            f"crops of PRW's test people) and '{dataset}' is PRW, do not score a student of it on "
            f"'{dataset}' as if it had not seen them"
        )
    if trained_on.unsaid:
        note = f"nobody said (`trained_on`) what was learned from by {', '.join(trained_on.unsaid)}"
        notes.append(note if notes else f"{note}; Market-1501 shows PRW's people and footage")
    return "; ".join(notes) or None


def _is_market(name: str) -> bool:
    """Tell whether a data set is Market-1501, by its name in any spelling."""
    return MARKET in re.sub(r"[^a-z]", "", name.lower())
