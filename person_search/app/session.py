"""What one user does on the page, without the page: a state, and actions that give the next one.

desk = SearchDesk(PeopleIndex(Path("people")), network)
session = desk.upload(Session(), Path("street.jpg"), "street.jpg")
session = desk.click(session, 0.4, 0.6)
for shown in session.hits:
    print(shown.ranked.hit.source, shown.ranked.hit.similarity)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np

from person_search.app.indexed import IndexedPeople, Key, PeopleIndex, Place, Ranked
from person_search.app.pictures import QueryPicture
from person_search.app.showing import Tile, frame_of, thumbnails, tiles, whole
from person_search.index.selection import Selection
from person_search.networks.network import Floats, SearchNetwork
from person_search.sources.frames import is_file, path_of
from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable
from pipeline.inference.own_pictures.reading import read_picture

PAGE = 12
"""Hits on a page."""
MOST_PAGES = 50
SHELF = 6
"""Pictures of the index that are offered at a time."""
ID_DIGITS = 16
MARK = "Mark hits that show the same person, then ask for more like these."


@dataclass(frozen=True)
class Filters:
    """Who may be found.

    Attributes:
        min_score: the detector's score is this or more, 0..1.
        cameras: the camera is one of these. Empty: any, and none.
        after: seen at this time or later.
        before: seen earlier.
    """

    min_score: float = 0.5
    cameras: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None

    @property
    def selection(self) -> Selection:
        """The same for a ranking."""
        return Selection(cameras=self.cameras, after=self.after, before=self.before, min_score=self.min_score)


@dataclass(frozen=True, eq=False)
class ShownHit:
    """A hit on the page.

    Attributes:
        ranked: the hit.
        tile: its cut-out.
        id: names it in what the browser sends.
    """

    ranked: Ranked
    tile: Tile

    @property
    def id(self) -> str:
        """Name it in what the browser sends: a position would name another hit after the next change."""
        return sha256(repr(self.ranked.key).encode()).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True)
class Shelf:
    """The pictures of the index that are offered.

    Attributes:
        text: what their names contain; empty for all.
        page: from 0.
        pages: how many there are.
        places: the pictures of this page.
        tiles: the same, small.
    """

    text: str = ""
    page: int = 0
    pages: int = 0
    places: tuple[Place, ...] = ()
    tiles: tuple[Tile, ...] = ()


@dataclass(frozen=True, eq=False)
class Large:
    """One hit's whole picture, as JPEG with its box drawn."""

    shown: ShownHit
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class Session:
    """What one user sees.

    Attributes:
        filters: who may be found.
        shelf: the pictures of the index that are offered.
        picture: the picture in which somebody is chosen.
        person: the number, from 0, of the one looked for.
        examples: hits that show that person, too: the mean is looked for.
        ticked: hits that will be examples.
        hidden: people who are "not this one".
        hits: those on this page.
        page: from 0.
        more: whether there is another page.
        count: how many people the filters leave.
        large: the hit whose whole picture is shown.
        message: what went wrong or what to do, in one line.
        wrong: whether it is an error.
    """

    filters: Filters = Filters()
    shelf: Shelf = Shelf()
    picture: QueryPicture | None = None
    person: int | None = None
    examples: tuple[Ranked, ...] = ()
    ticked: tuple[Ranked, ...] = ()
    hidden: frozenset[Key] = frozenset()
    hits: tuple[ShownHit, ...] = ()
    page: int = 0
    more: bool = False
    count: int = 0
    large: Large | None = None
    message: str = ""
    wrong: bool = False

    @property
    def numbers(self) -> list[int]:
        """The people of the picture who are sure enough, from 0."""
        return self.picture.sure(self.filters.min_score) if self.picture else []

    def said(self, message: str, wrong: bool = False) -> "Session":
        """Return the same with another message."""
        return replace(self, message=message, wrong=wrong)


class SearchDesk:
    """Does what users ask for; one serves many at once. Every action returns the session that comes next.

    Args:
        index: where to look.
        network: detects and embeds; one picture at a time, since it is not known to stand more.

    Raises:
        UserError: in every action: something is wrong with what was given, in one line. The session that was
            given is still good then.
    """

    def __init__(self, index: PeopleIndex, network: SearchNetwork) -> None:
        self.index = index
        self._network = network
        self._turn = Lock()

    def begin(self, session: Session) -> Session:
        """Look at the index, and offer its first pictures."""
        people = self.index.now()
        if not len(people):
            raise UserError(
                f"{printable(self.index.path)} holds no people yet: `person-search index` adds some"
            )
        return self.browse(session, "", 0).said("Upload a picture, or choose one of the index.")

    def browse(self, session: Session, text: str, page: int) -> Session:
        """Offer pictures of the index.

        Args:
            session: the one before.
            text: what the path contains, small and capital letters alike; empty for all.
            page: from 0; the nearest one there is.
        """
        people = self.index.now()
        wanted = text.strip().casefold()
        found = [place for place in people.places if wanted in place.source.casefold()]
        pages = -(-len(found) // SHELF)
        page = max(0, min(page, pages - 1))
        own = tuple(found[page * SHELF : (page + 1) * SHELF])
        return replace(session, shelf=Shelf(text, page, pages, own, tuple(thumbnails(own, people)))).said("")

    def upload(self, session: Session, path: Path, name: str) -> Session:
        """Take a picture that is in no index, and find its people.

        Args:
            session: the one before.
            path: the file, which is only read.
            name: what the user calls it.
        """
        try:
            with self._turn:
                picture = read_picture(path)
                (found,) = self._network.detect([picture.pixels])
        except UserError as error:
            raise UserError(str(error).replace(printable(path), printable(name))) from None
        boxes = found.boxes
        taken = QueryPicture.of(printable(name), picture.pixels, boxes, found.scores, found.embeddings)
        return self._with_picture(session, taken)

    def open(self, session: Session, place: Place) -> Session:
        """Take a picture of the index, with the people whom the index has of it."""
        people = self.index.now()
        seen = people.people_in(place)
        if not len(seen.scores):
            raise UserError("the index has no such picture any more")
        shown = frame_of(place, people)
        boxes = (seen.boxes * shown.scale).astype(np.float32)
        name = place_name(place.source, place.frame)
        taken = QueryPicture.of(name, shown.pixels, boxes, seen.scores, seen.embeddings, place)
        return self._with_picture(session, taken)

    def open_shelved(self, session: Session, number: int) -> Session:
        """Take one of the pictures that are offered, by its number from 0."""
        if not 0 <= number < len(session.shelf.places):
            raise UserError("that picture is offered no more: choose another")
        return self.open(session, session.shelf.places[number])

    def open_hit(self, session: Session, hit_id: str) -> Session:
        """Take the picture of a hit, to look for somebody else in it."""
        hit = _hit(session, hit_id).ranked.hit
        return self.open(session, Place(hit.source, hit.frame))

    def click(self, session: Session, x: float, y: float) -> Session:
        """Look for the person at a point of the picture, in shares of its width and height."""
        if session.picture is None:
            raise UserError("choose a picture first")
        person = session.picture.person_at(x, y, session.numbers)
        if person is None:
            raise UserError("nobody is there: click into one of the boxes")
        return self.choose(session, person)

    def choose(self, session: Session, person: int) -> Session:
        """Look for a person of the picture, by the number from 0."""
        if person not in session.numbers:
            raise UserError("there is no person of that number in the picture")
        fresh = replace(session, person=person, examples=(), ticked=(), hidden=frozenset())
        return self._ranked(fresh, 0)

    def let_go(self, session: Session) -> Session:
        """Show all people of the picture again, to choose another."""
        shown = replace(session, person=None, examples=(), ticked=(), hidden=frozenset(), hits=(), large=None)
        return shown.said(_advice(shown))

    def filter(self, session: Session, filters: Filters) -> Session:
        """Look with other filters."""
        fresh = replace(session, filters=filters)
        if fresh.person is not None and fresh.person in fresh.numbers:
            return self._ranked(fresh, 0)
        return self.let_go(fresh) if fresh.picture else fresh.said("")

    def turn(self, session: Session, by: int) -> Session:
        """Turn pages."""
        return self._ranked(session, max(0, min(session.page + by, MOST_PAGES - 1)))

    def tick(self, session: Session, hit_id: str) -> Session:
        """Mark a hit as one that shows the person, or take the mark away."""
        ranked = _hit(session, hit_id).ranked
        others = _without(session.ticked, ranked.key)
        ticked = others if len(others) < len(session.ticked) else (*others, ranked)
        return replace(session, ticked=ticked).said(MARK)

    def more_like(self, session: Session) -> Session:
        """Look for the mean of the person and the hits that are marked."""
        if not session.ticked:
            raise UserError("mark hits that show the person first")
        known = {example.key for example in session.examples}
        new = [ranked for ranked in session.ticked if ranked.key not in known]
        fresh = replace(session, examples=(*session.examples, *new), ticked=())
        return self._ranked(fresh, 0)

    def not_this(self, session: Session, hit_id: str) -> Session:
        """Leave a hit out, also as an example."""
        key = _hit(session, hit_id).ranked.key
        fresh = replace(
            session,
            hidden=session.hidden | {key},
            ticked=_without(session.ticked, key),
            examples=_without(session.examples, key),
        )
        return self._ranked(fresh, session.page)

    def enlarge(self, session: Session, hit_id: str) -> Session:
        """Show the whole picture of a hit."""
        shown = _hit(session, hit_id)
        return replace(session, large=Large(shown, whole(shown.ranked.hit, self.index.now()))).said(MARK)

    def shrink(self, session: Session) -> Session:
        """Close the whole picture."""
        return replace(session, large=None).said(MARK)

    def _with_picture(self, session: Session, picture: QueryPicture) -> Session:
        """Show a picture, nobody of it chosen."""
        return self.let_go(replace(session, picture=picture))

    def _ranked(self, session: Session, page: int) -> Session:
        """Show a page of hits."""
        people = self.index.now()
        wanted = _queries(session)
        if not wanted:
            raise UserError("choose somebody first: click on a person in the picture")
        where = session.filters.selection
        hidden = session.hidden | _own(session.picture, people)
        most = (page + 1) * PAGE + 1
        ranked = people.similar(wanted, where, hidden, most)
        if page and len(ranked) <= page * PAGE:  # the last hit of the last page was left out
            return self._ranked(session, page - 1)
        own = ranked[page * PAGE : (page + 1) * PAGE]
        cuts = tiles([one.hit for one in own], people)
        shown = replace(
            session,
            hits=tuple(ShownHit(one, cut) for one, cut in zip(own, cuts, strict=True)),
            page=page,
            more=len(ranked) == most and page + 1 < MOST_PAGES,
            count=people.count(where),
            large=None,
        )
        return shown.said(MARK if own else "Nobody fits: a lower score or fewer filters may show somebody.")


def place_name(source: str, frame: int) -> str:
    """Return what a source is called on the page: a file by its name alone."""
    name = printable(path_of(source).name) if is_file(source) else source
    return f"{name}, frame {frame:,}" if frame else name


def _queries(session: Session) -> Sequence[Floats]:
    if session.picture is None or session.person is None:
        return []
    return [session.picture.embeddings[session.person], *(one.embedding for one in session.examples)]


def _own(picture: QueryPicture | None, people: IndexedPeople) -> frozenset[Key]:
    """Return the people of the index in the picture itself: it is not looked in."""
    if picture is None or picture.place is None:
        return frozenset()
    return people.people_in(picture.place).keys(picture.place)


def _without(ranked: Sequence[Ranked], key: Key) -> tuple[Ranked, ...]:
    return tuple(one for one in ranked if one.key != key)


def _hit(session: Session, hit_id: str) -> ShownHit:
    for shown in session.hits:
        if shown.id == hit_id:
            return shown
    raise UserError("that hit is shown no more")


def _advice(session: Session) -> str:
    """Return what to do with the picture."""
    assert session.picture is not None
    if session.numbers:
        return "Click on the person to look for."
    if len(session.picture.scores):
        best = float(session.picture.scores.max())
        return (
            f"Nobody in {session.picture.name} is as sure as {session.filters.min_score:.2f}: "
            f"the surest has {best:.2f}; lower the least score."
        )
    return f"Nobody was found in {session.picture.name}: try another picture."
