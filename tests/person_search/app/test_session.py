"""The page's logic: states and actions, without the page."""

import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from person_search.app import markup
from person_search.app.actions import act_on, moment_in
from person_search.app.indexed import PeopleIndex, Place
from person_search.app.pictures import NEAR, QueryPicture
from person_search.app.session import PAGE, SHELF, Filters, SearchDesk, Session
from person_search.index.coverage import SourceState
from person_search.index.selection import Selection
from person_search.index.store import PeopleStore
from person_search.networks.network import FoundPeople
from person_search.sources.frames import source_text
from pipeline.basics.errors import UserError
from tests.person_search.app.coloured import (
    COLOURS,
    DIMENSION,
    START,
    ColourNetwork,
    add,
    found,
    index_of,
    rows_of,
    scene,
    state_of,
)
from tests.person_search.sources.films import number_of, write_film

ALL = Filters(min_score=0)


def row_of(session):
    """Return a session's hits as what the index says of them."""
    return [(one.ranked.hit.source, one.ranked.hit.box) for one in session.hits]


def all_hits(desk, session):
    """Return all hits, page by page."""
    result = row_of(session)
    while session.more:
        session = desk.turn(session, 1)
        result += row_of(session)
    return result


def plain_ranking(store, queries, keep=lambda _row: True):
    """Rank a store by plain products, the slow way."""
    with store.snapshot() as snapshot:
        rows = snapshot.table().to_pylist()
    query = np.mean(queries, axis=0)
    query /= np.linalg.norm(query)
    rows = [row for row in rows if keep(row)]
    rows.sort(key=lambda row: (-float(np.array(row["embedding"]) @ query), row["source"]))
    return [(row["source"], (row["x1"], row["y1"], row["x2"], row["y2"])) for row in rows]


def on_red(desk, picture, filters=ALL):
    """Upload a picture, and click on its red person."""
    session = desk.upload(desk.filter(Session(), filters), picture, picture.name)
    return desk.click(session, 16 / 96, 40 / 64)


def colours_of(session):
    """Return the colour of each hit on the page, by its direction."""
    directions = {name: np.array(colour) - 128.0 for name, colour in COLOURS.items()}
    return [
        max(
            directions,
            key=lambda name: one.ranked.embedding[:3] @ directions[name] / np.linalg.norm(directions[name]),
        )
        for one in session.hits
    ]


def test_a_click_gives_the_hits_of_a_plain_ranking(desk, store, red_and_blue):
    session = on_red(desk, red_and_blue)
    assert session.person == 0
    assert not session.wrong
    assert set(colours_of(session)[:10]) == {"red"}
    wanted = plain_ranking(store, [session.picture.embeddings[0]])
    assert all_hits(desk, session) == wanted
    assert session.count == len(wanted)
    similarities = [one.ranked.hit.similarity for one in session.hits]
    assert similarities == sorted(similarities, reverse=True)
    for one in session.hits:
        with Image.open(BytesIO(one.tile.jpeg)) as image:
            image.load()


def test_pages_turn_to_and_fro_and_end(desk, red_and_blue):
    first = on_red(desk, red_and_blue)
    second = desk.turn(first, 1)
    assert (first.page, second.page) == (0, 1)
    assert row_of(desk.turn(second, -1)) == row_of(first)
    assert row_of(desk.turn(first, -1)) == row_of(first)
    last = desk.turn(first, 10_000)
    assert not last.more
    assert last.page == -(-48 // PAGE) - 1


def test_a_click_beside_everybody_is_told_and_changes_nothing(desk, red_and_blue):
    session = desk.upload(Session(), red_and_blue, "query.png")
    with pytest.raises(UserError, match="nobody is there"):
        desk.click(session, 0.5, 0.1)
    with pytest.raises(UserError, match="choose a picture first"):
        desk.click(Session(), 0.5, 0.1)


@given(
    boxes=st.lists(st.tuples(*[st.floats(0, 0.9)] * 2, *[st.floats(0.01, 0.5)] * 2), min_size=1, max_size=6),
    point=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_the_smallest_box_around_a_point_is_meant(boxes, point):
    boxes = np.array([(x, y, x + wide, y + tall) for x, y, wide, tall in boxes], np.float32)
    count = len(boxes)
    picture = QueryPicture("", b"", boxes, np.ones(count, np.float32), np.zeros((count, 4), np.float32))
    person = picture.person_at(*point, range(count))
    x, y = point
    around = [
        number
        for number, (x1, y1, x2, y2) in enumerate(boxes.astype(float))
        if x1 <= x <= x2 and y1 <= y <= y2
    ]
    areas = (boxes[:, 2:].astype(float) - boxes[:, :2]).prod(axis=1)
    if around:
        assert areas[person] == min(areas[number] for number in around)
    elif person is not None:
        x1, y1, x2, y2 = boxes[person].astype(float)
        assert x1 - NEAR <= x <= x2 + NEAR
        assert y1 - NEAR <= y <= y2 + NEAR


def test_filters_leave_people_out_before_the_ranking(desk, store, red_and_blue):
    session = on_red(desk, red_and_blue)
    query = [session.picture.embeddings[0]]
    until = START + timedelta(minutes=9)
    for filters, keep in [
        (Filters(0.65), lambda row: row["score"] >= np.float32(0.65)),
        (Filters(0, ("camera-1",)), lambda row: row["camera"] == "camera-1"),
        (Filters(0, after=until), lambda row: row["time"] >= until),
        (Filters(0, before=until), lambda row: row["time"] < until),
        (
            Filters(0.6, ("camera-0",), None, until),
            lambda row: (
                row["score"] >= np.float32(0.6) and row["camera"] == "camera-0" and row["time"] < until
            ),
        ),
    ]:
        filtered = desk.filter(session, filters)
        wanted = plain_ranking(store, query, keep)
        assert all_hits(desk, filtered) == wanted
        assert filtered.count == len(wanted) > 0


def test_a_filter_that_leaves_nobody_says_so(desk, red_and_blue):
    session = desk.filter(on_red(desk, red_and_blue), replace(ALL, cameras=("none",)))
    assert session.hits == ()
    assert "Nobody fits" in session.message


def test_a_higher_least_score_hides_people_of_the_picture_and_may_let_the_chosen_one_go(desk, red_and_blue):
    session = desk.upload(Session(), red_and_blue, "query.png")
    assert session.numbers == [0, 1]
    assert desk.filter(session, Filters(0.7)).numbers == [0]
    blue = desk.choose(session, 1)
    gone = desk.filter(blue, Filters(0.7))
    assert gone.person is None
    assert gone.hits == ()
    nobody = desk.filter(blue, Filters(0.99))
    assert "lower the least score" in nobody.message
    with pytest.raises(UserError, match="no person of that number"):
        desk.choose(nobody, 0)


def test_not_this_one_leaves_a_hit_out_on_all_pages(desk, red_and_blue):
    session = on_red(desk, red_and_blue)
    before = all_hits(desk, session)
    second = desk.turn(session, 1)
    without = desk.not_this(desk.not_this(second, second.hits[3].id), second.hits[5].id)
    assert without.page == 1
    after = all_hits(desk, desk.turn(without, -10))
    gone = {row_of(second)[3], row_of(second)[5]}
    assert after == [row for row in before if row not in gone]
    with pytest.raises(UserError, match="shown no more"):
        desk.not_this(without, second.hits[3].id)
    assert all_hits(desk, desk.choose(without, 0)) == before


def test_leaving_out_all_of_the_last_page_turns_back(desk, red_and_blue):
    session = desk.turn(on_red(desk, red_and_blue), 100)
    last = session.page
    for shown in session.hits:
        session = desk.not_this(session, shown.id)
    assert session.page == last - 1
    assert len(session.hits) == PAGE
    assert not session.more


def test_more_like_these_looks_for_the_mean(desk, store, red_and_blue):
    session = on_red(desk, red_and_blue)
    with pytest.raises(UserError, match="mark hits"):
        desk.more_like(session)
    ticked = desk.tick(session, session.hits[2].id)
    ticked = desk.turn(ticked, 1)
    ticked = desk.tick(desk.tick(ticked, ticked.hits[0].id), ticked.hits[4].id)
    ticked = desk.tick(ticked, ticked.hits[4].id)  # taken back
    examples = [session.hits[2].ranked.embedding, ticked.hits[0].ranked.embedding]
    more = desk.more_like(ticked)
    assert more.page == 0
    assert more.ticked == ()
    assert all_hits(desk, more) == plain_ranking(store, [session.picture.embeddings[0], *examples])
    again = desk.more_like(desk.tick(more, more.hits[0].id))
    assert len(again.examples) in (2, 3)
    dropped = next(one for one in more.hits if one.ranked.key == more.examples[0].key)
    assert len(desk.not_this(more, dropped.id).examples) == 1


def test_a_picture_of_the_index_has_the_indexs_people_and_is_not_looked_in(desk, store, scenes, network):
    session = desk.browse(desk.filter(Session(), ALL), "SCENE 05", 0)
    assert [place.source for place in session.shelf.places] == [source_text(scenes[5])]
    opened = desk.open_shelved(session, 0)
    assert network.most_at_once == 0
    own = source_text(scenes[5])
    seen = desk.index.now().people_in(Place(own, 0))
    np.testing.assert_array_equal(opened.picture.embeddings, seen.embeddings)
    np.testing.assert_allclose(opened.picture.boxes * [96, 64, 96, 64], seen.boxes, atol=1e-4)
    chosen = desk.choose(opened, 0)
    wanted = plain_ranking(store, [seen.embeddings[0]], lambda row: row["source"] != own)
    assert all_hits(desk, chosen) == wanted
    again = desk.open_hit(chosen, chosen.hits[0].id)
    assert again.picture.place == Place(chosen.hits[0].ranked.hit.source, 0)


def test_pictures_of_the_index_are_offered_in_order_and_by_name(desk, scenes):
    session = desk.begin(Session())
    names = []
    for _ in range(session.shelf.pages):
        names += [place.source for place in session.shelf.places]
        assert all(tile.jpeg for tile in session.shelf.tiles)
        session = desk.browse(session, "", session.shelf.page + 1)
    assert session.shelf.pages == len(scenes) // SHELF
    assert names == sorted(map(source_text, scenes))
    assert desk.browse(session, "no such", 3).shelf.places == ()
    with pytest.raises(UserError, match="offered no more"):
        desk.open_shelved(session, SHELF)


def test_an_upload_without_people_says_so(desk, tmp_path):
    session = desk.upload(Session(), scene(tmp_path / "empty.png", []), "empty.png")
    assert "Nobody was found in empty.png" in session.message
    assert session.picture is not None


def test_a_broken_upload_is_one_line_that_does_not_tell_where_it_lies(desk, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UserError) as caught:
        desk.upload(Session(), broken, "mine.jpg")
    assert str(caught.value).startswith("mine.jpg is no picture")
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_index_says_so(tmp_path, network):
    store = index_of(tmp_path / "people", [])
    with pytest.raises(UserError, match="holds no people yet"):
        SearchDesk(PeopleIndex(store.path), network).begin(Session())


def test_no_index_says_so(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        PeopleIndex(tmp_path / "none")


@pytest.fixture
def own(tmp_path, network):
    """A desk over an index that a test may change, with its pictures and store."""
    paths = [scene(tmp_path / f"{n}.png", [("red", 6, 40)], seed=n) for n in range(4)]
    store = index_of(tmp_path / "people", paths)
    return SearchDesk(PeopleIndex(store.path), network), paths, store


def test_a_source_that_is_gone_or_has_changed_is_told_and_the_others_are_shown(own, red_and_blue):
    desk, paths, _ = own
    paths[0].unlink()
    scene(paths[1], [("blue", 6, 20)], size=(20, 30))
    session = on_red(desk, red_and_blue)
    why = {one.ranked.hit.source: one.tile.why for one in session.hits}
    assert "is gone" in why[source_text(paths[0])]
    assert "has changed since it was indexed" in why[source_text(paths[1])]
    assert why[source_text(paths[2])] is None
    for one in session.hits:
        if one.tile.why:
            with pytest.raises(UserError, match=r"is gone|has changed"):
                desk.enlarge(session, one.id)
            with pytest.raises(UserError, match=r"is gone|has changed"):
                desk.open_hit(session, one.id)
            assert one.tile.why in markup.hits(session)
    shelf = desk.browse(session, "", 0).shelf
    assert sum(tile.jpeg is None for tile in shelf.tiles) == 2


def test_who_is_removed_from_the_index_is_shown_no_more(own, red_and_blue):
    desk, paths, store = own
    session = on_red(desk, red_and_blue)
    assert len(session.hits) == 4
    store.remove(Selection(sources=[source_text(paths[2])]))
    assert source_text(paths[2]) not in dict(row_of(desk.turn(session, 0)))
    with pytest.raises(UserError, match="no such picture any more"):
        desk.open(session, Place(source_text(paths[2]), 0))
    shutil.rmtree(store.path)
    with pytest.raises(UserError, match="no such folder"):
        desk.turn(session, 0)


def test_hits_of_a_stream_have_no_picture_and_say_so(own, red_and_blue):
    desk, paths, store = own
    with Image.open(paths[0]) as image:
        add(store, "rtsp://me@door/1", found(np.array(image)), 5, SourceState(0, 0), frame=7)
    session = on_red(desk, red_and_blue)
    (shown,) = [one for one in session.hits if one.ranked.hit.source.startswith("rtsp")]
    assert "not kept" in shown.tile.why
    assert "rtsp://me@door/1, frame 7" in markup.hits(session)
    with pytest.raises(UserError, match="not kept"):
        desk.enlarge(session, shown.id)
    assert all(place.source.startswith("/") for place in desk.index.now().places)


def test_frames_of_a_video_are_read_again(own, tmp_path, red_and_blue):
    desk, _, store = own
    film = write_film(tmp_path / "a.mp4", number=20)
    red = np.zeros((1, DIMENSION), np.float32)
    red[0, 0] = 1
    for frame in (3, 17):
        people = FoundPeople(np.array([[50, 20, 60, 44]], np.float32), np.ones(1, np.float32), red)
        source = source_text(film)
        add_frame(store, source, people, frame, state_of(film))
    session = on_red(desk, red_and_blue)
    frames = {one.ranked.hit.frame: one for one in session.hits if one.ranked.hit.source == source}
    assert set(frames) == {3, 17}
    for number, shown in frames.items():
        large = desk.enlarge(session, shown.id).large
        with Image.open(BytesIO(large.jpeg)) as image:
            assert number_of(np.array(image)) == number
        opened = desk.open_hit(session, shown.id)
        with Image.open(BytesIO(opened.picture.jpeg)) as image:
            assert number_of(np.array(image)) == number
        assert opened.picture.name == f"a.mp4, frame {number}"


def add_frame(store, source, people, frame, state):
    """Add one more frame of a video."""
    known = store.sources().get(source)
    partial = SourceState(state.size, state.mtime_ns, False, frame)
    with store.writing() as writer:
        rows = rows_of(source, people, 0, frame)
        writer.commit(rows, {source: partial}, {source: known.last_frame + 1} if known else None)


def test_a_large_picture_is_of_the_hit_and_closes(desk, red_and_blue):
    session = on_red(desk, red_and_blue)
    large = desk.enlarge(session, session.hits[1].id)
    assert large.large.shown is session.hits[1]
    assert session.hits[1].ranked.hit.source in markup.large(large)
    assert desk.shrink(large).large is None
    assert desk.turn(large, 1).large is None


def test_two_users_at_once_get_their_own_right_answers_and_the_network_one_picture_at_a_time(
    desk, network, tmp_path
):
    """Each user looks for another colour, with threads that meet at every step."""
    answers, barrier = {}, threading.Barrier(len(COLOURS))

    def use(name):
        path = scene(tmp_path / f"{name}.png", [(name, 30, 50)])
        for _ in range(3):
            barrier.wait()
            session = desk.upload(desk.filter(Session(), ALL), path, name)
            barrier.wait()
            answers.setdefault(name, set()).update(colours_of(desk.choose(session, 0))[:8])

    threads = [threading.Thread(target=use, args=(name,)) for name in COLOURS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {name: {name} for name in COLOURS}
    assert network.most_at_once == 1


@given(
    act=st.sampled_from(
        ["at", "person", "open", "turn", "shelf", "large", "tick", "not", "hit", "more", "x", ""]
    ),
    what=st.one_of(
        st.text(max_size=12),
        st.sampled_from(["nan nan", "inf 0", "1e999", "-1", "9" * 5000, "0.1 0.2 0.3", "/etc/passwd", "0 0"]),
    ),
)
def test_whatever_a_browser_sends_is_done_or_refused_in_one_line(desk, red_and_blue, act, what):
    for session in (Session(), on_red(desk, red_and_blue)):
        try:
            assert isinstance(act_on(desk, session, act, what), Session)
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("  ", None),
        ("2026-05-31", datetime(2026, 5, 31, tzinfo=UTC)),
        (" 2026-05-31 14:30 ", datetime(2026, 5, 31, 14, 30, tzinfo=UTC)),
        ("2026-05-31T14:30:00+02:00", datetime(2026, 5, 31, 12, 30, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc_unless_they_say_otherwise(text, moment):
    assert moment_in(text) == moment


def test_what_is_no_time_says_how_one_is_written():
    with pytest.raises(UserError, match="write 2026-05-31"):
        moment_in("yesterday\n" * 20)


def test_names_are_no_markup_and_no_template(tmp_path, network, red_and_blue):
    odd = '<script>alert(1) {{value}} ${1+1} `x` "&.png'
    path = scene(tmp_path / odd, [("red", 6, 40)])
    store = index_of(tmp_path / "people", [path])
    desk = SearchDesk(PeopleIndex(store.path), network)
    session = on_red(desk, red_and_blue)
    opened = desk.open_hit(session, session.hits[0].id)
    large = desk.enlarge(session, session.hits[0].id)
    for text in (
        markup.hits(session),
        markup.shelf(desk.begin(session)),
        markup.picture(opened),
        markup.large(large),
        markup.status(session.said(odd, wrong=True)),
    ):
        assert "&lt;script&gt;" in text
        assert not set("{}$`\\") & set(text)
        assert "<script" not in text


def test_the_store_of_the_tests_is_as_it_was(store):
    """No action writes to an index."""
    assert len(PeopleStore.open(store.path).sources()) == 24


def test_the_network_of_the_tests_finds_everybody(scenes):
    (people,) = ColourNetwork().detect([np.array(Image.open(scenes[0]))])
    assert len(people.scores) == 2
