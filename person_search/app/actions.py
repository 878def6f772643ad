"""What the browser sends, as actions of the desk."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from person_search.app.session import SearchDesk, Session
from pipeline.basics.errors import UserError

UNKNOWN = "that click cannot be understood"


def act_on(desk: SearchDesk, session: Session, act: str, what: str) -> Session:
    """Do what a click asks for.

    Args:
        desk: does it.
        session: the one before.
        act: the name of the action.
        what: on what: a number, a hit's id or a point; from the browser, so it may be anything.

    Raises:
        UserError: it cannot be done.
    """
    by_hit = {"large": desk.enlarge, "tick": desk.tick, "not": desk.not_this, "hit": desk.open_hit}
    plain = {"more": desk.more_like, "others": desk.let_go, "close": desk.shrink}
    if act in by_hit:
        return by_hit[act](session, what)
    if act in plain:
        return plain[act](session)
    by_number: dict[str, Callable[[Session, int], Session]] = {
        "person": desk.choose,
        "open": desk.open_shelved,
        "turn": desk.turn,
        "shelf": lambda own, by: desk.browse(own, own.shelf.text, own.shelf.page + by),
    }
    if act == "at":
        x, y = _numbers(what, 2)
        return desk.click(session, x, y)
    if act not in by_number:
        raise UserError(UNKNOWN)
    (number,) = _numbers(what, 1)
    return by_number[act](session, int(number))


def _numbers(text: str, count: int) -> list[float]:
    """Return so many finite numbers of a text. Raises `UserError` where it has others."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UserError(UNKNOWN)
    return numbers


def moment_in(text: str | None) -> datetime | None:
    """Return the time that a user wrote, in UTC where no zone is named; None for nothing.

    Raises:
        UserError: it is no time.
    """
    given = (text or "").strip()
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise UserError(f"{given[:40]!r} is no time: write 2026-05-31 or 2026-05-31 14:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
