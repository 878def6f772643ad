"""Frames are loaded in order, within bounds, whatever happens to one item; and nothing is left behind."""

import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from PIL import Image

from person_search.sources import loading_process
from person_search.sources.cameras import Cameras
from person_search.sources.loading import ItemEnd, LoadedFrame, load_frames
from person_search.sources.places import Item, Kind, listed
from tests.person_search.sources.films import numbered, write_film

ROOT = Path(__file__).parents[3]
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"


ELDER: set[int] = set()
"""Processes that other tests have left to this one: a server, for instance, from which others are forked."""


def own_children():
    """Return this process' children, without those that were there before the test."""
    return [child for child in psutil.Process().children() if child.pid not in ELDER]


@pytest.fixture(autouse=True)
def _nothing_is_left():
    ELDER.clear()
    ELDER.update(child.pid for child in psutil.Process().children())
    threads = threading.active_count()
    yield
    assert own_children() == []
    assert threading.active_count() == threads


@pytest.fixture
def folder(tmp_path):
    """Return a folder with six pictures, two of them damaged, and two videos, one of them cut off."""
    for number in range(6):
        Image.fromarray(numbered(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    (tmp_path / "4.png").write_bytes(b"")
    write_film(tmp_path / "2b.mp4", size=(320, 240))  # a frame is more than a socket holds
    film = write_film(tmp_path / "7.mkv", number=60, rate=10)
    film.write_bytes(film.read_bytes()[: int(film.stat().st_size * 0.6)])
    return tmp_path


def items_in(folder):
    return listed([folder], pytest.fail).items


def described(results):
    """Return results as plain values."""
    return [
        (result.item.path.name, result.gap)
        if isinstance(result, ItemEnd)
        else (result.item.path.name, result.frame.frame, result.frame.time, result.frame.pixels.tobytes())
        for result in results
    ]


def wait_until_dead(process):
    """Wait for a child's death, and leave it to its parent to hear of it."""
    deadline = time.monotonic() + 20
    with suppress(psutil.NoSuchProcess):  # its parent was faster
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.001)


@pytest.fixture
def plain(folder):
    """Return what is loaded from the folder in this process."""
    return described(load_frames(items_in(folder), workers=0, every=Fraction(1, 4)))


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (3, 5), (3, 32)])
def test_processes_give_what_one_process_gives(folder, plain, workers, ahead):
    loaded = load_frames(items_in(folder), workers=workers, ahead=ahead, every=Fraction(1, 4))
    assert described(loaded) == plain


def test_frames_and_ends(folder, plain):
    names = [entry[0] for entry in plain if len(entry) == 2]
    assert names == ["0.png", "1.png", "2.png", "2b.mp4", "3.png", "4.png", "5.png", "7.mkv"]
    gaps = dict(entry for entry in plain if len(entry) == 2)
    assert gaps["0.png"] is gaps["2b.mp4"] is gaps["5.png"] is None
    assert "1.png is no picture that can be read" in gaps["1.png"]
    assert "4.png is empty" in gaps["4.png"]
    assert "7.mkv is cut off or damaged" in gaps["7.mkv"]
    assert [entry[1] for entry in plain if entry[0] == "2b.mp4" and len(entry) == 4] == [0, 7, 13, 19, 25]
    assert plain.index(("3.png", None)) > plain.index(("2b.mp4", None))
    assert sum(entry[0] == "7.mkv" for entry in plain) > 5


def test_what_is_known_is_handed_on(folder):
    items, said = items_in(folder), []
    cameras = Cameras(pattern=r"/(?P<camera>\d)b?\.(?P<time>)m", time_format="")
    loaded = load_frames(
        items, workers=2, cameras=cameras, after={items[3].source: 27}, every=None, say=said.append
    )
    frames = [result.frame for result in loaded if isinstance(result, LoadedFrame)]
    film = [frame for frame in frames if frame.source == items[3].source]
    assert [frame.frame for frame in film] == [28, 29]
    assert [frame.time for frame in film] == [
        datetime(1900, 1, 1, 0, 0, 1, 40_000 * n + 1_000_000 - 1_000_000 + 120_000, UTC) for n in range(2)
    ]
    assert {frame.camera for frame in film} == {"2"}
    assert {frame.camera for frame in frames} == {"2", "7", None}
    assert said == [
        f"warning: --camera-from does not match 6 files, which have no camera: first {folder}/0.png"
    ]


def test_no_items_start_nothing(monkeypatch):
    monkeypatch.setattr(loading_process, "_Running", lambda: pytest.fail("a process was started"))
    assert list(load_frames([])) == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_decoder_that_crashes_costs_one_item(folder, plain, number):
    results = []
    with closing(load_frames(items_in(folder), workers=1, ahead=1, every=Fraction(1, 4))) as loaded:
        for result in loaded:
            results.append(result)
            if isinstance(result, LoadedFrame) and (result.item.path.name, result.frame.frame) == (
                "2b.mp4",
                0,
            ):
                (process,) = own_children()
                process.send_signal(number)
                wait_until_dead(process)
    (gap,) = [entry[1] for entry in described(results) if len(entry) == 2 and entry[0] == "2b.mp4"]
    fate = "was killed (by a lack of memory?)" if number == signal.SIGKILL else f"crashed ({number.name})"
    assert gap == f"{folder}/2b.mp4 cannot be read: its decoder {fate}"
    film = [entry for entry in described(results) if entry[0] == "2b.mp4"]
    assert 2 <= len(film) <= 4
    others = [entry for entry in described(results) if entry[0] != "2b.mp4"]
    assert others == [entry for entry in plain if entry[0] != "2b.mp4"]


def test_a_decoder_that_hangs_costs_one_picture(tmp_path, monkeypatch):
    for number in range(6):
        Image.fromarray(numbered(number)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(loading_process, "PATIENCE", 3)
    with closing(load_frames(items_in(tmp_path), workers=1, ahead=1)) as loaded:
        results = [next(loaded), next(loaded)]
        (process,) = own_children()
        process.suspend()
        results += loaded
    gaps = [result.gap for result in results if isinstance(result, ItemEnd)]
    assert len(gaps) == 6
    (gap,) = filter(None, gaps)
    assert gap.endswith(".png was not decoded in 3 seconds")


def test_memory_is_bounded(tmp_path):
    for number in range(60):
        Image.fromarray(numbered(number % 64)).save(tmp_path / f"{number:02}.png")
    items = items_in(tmp_path)
    read = {item.path for item in items}
    with closing(load_frames(items, workers=3, ahead=4)) as loaded:
        next(loaded)
        time.sleep(1.0)
        for item in items[12:]:
            item.path.unlink()  # frames of these were not decoded yet: 1 + 4, and one in each process
        ends = [result for result in loaded if isinstance(result, ItemEnd)]
    assert len(ends) == len(read) == 60
    assert sum(end.gap is None for end in ends) == 12


def test_frames_that_are_kept_hold_no_files(folder):
    files = psutil.Process().num_fds()
    results = list(load_frames(items_in(folder), workers=2))
    assert psutil.Process().num_fds() == files
    frames = [result.frame for result in results if isinstance(result, LoadedFrame)]
    assert len(frames) > 30 and all(frame.pixels.flags.writeable for frame in frames)


def test_huge_frames_are_loaded_one_by_one(folder, plain, monkeypatch):
    monkeypatch.setattr("person_search.sources.loading.AHEAD_BYTES", 10)
    assert described(load_frames(items_in(folder), workers=3, every=Fraction(1, 4))) == plain


@pytest.mark.parametrize("taken", [1, 9])
def test_closing_ends_everything_at_once(folder, taken):
    loaded = load_frames(items_in(folder), workers=3)
    for _ in range(taken):
        next(loaded)
    assert own_children()
    begun = time.monotonic()
    loaded.close()
    assert time.monotonic() - begun < 2
    assert own_children() == []


def test_processes_start_before_the_first_frame_is_asked_for(folder):
    loaded = load_frames(items_in(folder), workers=2)
    deadline = time.monotonic() + 20
    while len(own_children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(own_children()) == 2
    loaded.close()
    assert own_children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_closed_gives_nothing_more(folder, workers):
    loaded = load_frames(items_in(folder), workers=workers)
    next(loaded)
    loaded.close()
    assert list(loaded) == []


def test_processes_that_cannot_start_are_an_error(folder, monkeypatch):
    monkeypatch.setattr(loading_process, "START", "import nothing_of_that_name")
    with pytest.raises(
        RuntimeError, match="a process that loads pictures ended with code 1: ModuleNotFoundError"
    ):
        list(load_frames(items_in(folder), workers=2))


WAITING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from contextlib import closing, suppress
from person_search.sources.places import Item, Kind
from person_search.sources.loading import load_frames
item = Item(Kind.STREAM, "http://silent", address=sys.argv[1])
try:
    with closing(load_frames([item])) as loaded:
        print("begun", flush=True)
        next(loaded)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_ctrl_c_ends_the_wait_for_a_frame():
    with socketserver.TCPServer(("127.0.0.1", 0), None) as silent:
        address = f"http://127.0.0.1:{silent.server_address[1]}/"
        with subprocess.Popen(
            [sys.executable, "-c", WAITING, address],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        ) as program:
            assert program.stdout.readline() == b"begun\n"
            connection, _ = silent.get_request()
            processes = psutil.Process(program.pid).children()
            program.send_signal(signal.SIGINT)  # while it waits for the stream's first data
            assert program.stdout.readline() == b"stopped\n"
            assert program.wait(20) == 0
        connection.close()
    assert len(processes) == 1 and not processes[0].is_running()


SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from person_search.sources.places import listed
from person_search.sources.loading import load_frames
loaded = load_frames(listed([sys.argv[1]], print).items, workers=2, ahead=1)
next(loaded)
print("begun", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_program(folder, number):
    """The program has no `if __name__ == "__main__"`, and ends without closing anything."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdout.readline() == b"begun\n"
        processes = psutil.Process(program.pid).children()
        assert len(processes) == 2
        program.send_signal(number)
        program.wait(20)
    gone, alive = psutil.wait_procs(processes, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_streams_come_side_by_side_after_the_files(folder):
    items = [
        Item(Kind.STREAM, "rtsp://127.0.0.1/1", address="rtsp://me:secret@127.0.0.1:1/1"),
        *items_in(folder)[:1],
        Item(Kind.STREAM, "rtsp://127.0.0.1/2", address="rtsp://me:secret@127.0.0.1:1/2"),
    ]
    for workers in (1, 0):
        results = list(load_frames(items, workers=workers))
        ends = {result.item.source: result.gap for result in results if isinstance(result, ItemEnd)}
        assert [ends[items[place].source] for place in (0, 2)] == [
            f"rtsp://me@127.0.0.1:1/{number} cannot be opened: Connection refused" for number in (1, 2)
        ]
        assert ends[items[1].source] is None
        if workers:
            assert [result.item for result in results[:2]] == [items[1], items[1]]
